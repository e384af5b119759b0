import type { Header } from '../../../src/schema/header.ts';

/** SECURITY S23: header lists of HTTP/2 answers, and whether they are one. */
export interface StreamAnswerVector {
  readonly why: string;
  readonly fields: readonly Header[];
  readonly fine: boolean;
  /** The HTTP/2 stack takes the field out before anybody sees it: the answer goes on without it. */
  readonly stripped?: true;
}

const OK: Header = [':status', '200'];
const broken = (why: string, ...fields: readonly Header[]): StreamAnswerVector => ({ why, fields, fine: false });
const stripped = (why: string, field: Header): StreamAnswerVector => ({
  why,
  fields: [OK, field],
  fine: false,
  stripped: true,
});

export const STREAM_ANSWERS: readonly StreamAnswerVector[] = [
  { why: 'as it should be', fields: [OK, ['content-type', 'a/b']], fine: true },
  { why: 'obs-text in a value', fields: [OK, ['x-a', 'caf\u00e9']], fine: true },
  { why: 'an empty value', fields: [OK, ['x-a', '']], fine: true },
  { why: 'a tab inside a value', fields: [OK, ['x-a', 'b\tc']], fine: true },
  { why: 'repeated fields', fields: [OK, ['set-cookie', 'a=b'], ['set-cookie', 'c=d']], fine: true },
  { why: 'a status that is not registered', fields: [[':status', '599']], fine: true },
  broken('no :status', ['x-a', 'b']),
  broken('no field at all'),
  broken(':status twice', OK, OK),
  broken(':status after a header', ['x-a', 'b'], OK),
  broken('an empty :status', [':status', '']),
  broken(':status of two digits', [':status', '20']),
  broken(':status of four digits', [':status', '2000']),
  broken(':status with a sign', [':status', '+20']),
  broken(':status with a blank', [':status', '200 ']),
  broken(':status with a reason', [':status', '200 OK']),
  broken(':status in words', [':status', 'abc']),
  broken(':status below the first class', [':status', '099']),
  broken(':status beyond 599', [':status', '600']),
  broken('101', [':status', '101']),
  broken(':path', OK, [':path', '/']),
  broken(':method', OK, [':method', 'GET']),
  broken(':authority', OK, [':authority', 'a.example']),
  broken('an unknown pseudo-header', OK, [':x', 'y']),
  broken('connection', OK, ['connection', 'close']),
  broken('keep-alive', OK, ['keep-alive', 'timeout=5']),
  broken('proxy-connection', OK, ['proxy-connection', 'close']),
  broken('transfer-encoding', OK, ['transfer-encoding', 'chunked']),
  broken('upgrade', OK, ['upgrade', 'h2c']),
  broken('te', OK, ['te', 'trailers']),
  broken('host', OK, ['host', 'b.example']),
  broken('capitals in a name', OK, ['X-A', 'b']),
  stripped('an empty name', ['', 'b']),
  stripped('a line break in a value', ['x-a', 'b\r\nc: d']),
  stripped('a line feed in a value', ['x-a', 'b\nc: d']),
  stripped('a carriage return in a value', ['x-a', 'b\rc']),
  stripped('NUL in a value', ['x-a', '\u0000']),
  stripped('DEL in a value', ['x-a', 'b\u007f']),
  stripped('a space in a name', ['x a', 'b']),
  stripped('a colon in a name', ['x:a', 'b']),
  stripped('a line break in a name', ['x\r\na', 'b']),
]; // prettier-ignore
