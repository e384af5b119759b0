import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BugError } from '../../../src/kernel/errors.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import {
  parseRequestHead,
  parseResponseHead,
  serialiseRequestHead,
  serialiseResponseHead,
  type Header,
} from '../../../src/protocol/http1/head.ts';
import { bytesOf } from '../support/bytes.ts';
import { requestVerdict, responseVerdict } from '../support/verdicts.ts';
import { REQUESTS } from '../vectors/requests.ts';
import { RESPONSES } from '../vectors/responses.ts';

const shown = (bytes: string): string => JSON.stringify(bytes.length > 60 ? `${bytes.slice(0, 60)}…` : bytes);

describe('S23 request heads', () => {
  it('has at least 60 rows', () => {
    expect(REQUESTS.length).toBeGreaterThanOrEqual(60);
  });
  it.each(REQUESTS.map((row) => ({ ...row, shown: shown(row.bytes) })))(
    '$verdict: $why $shown',
    ({ bytes, verdict }) => {
      expect(requestVerdict(bytesOf(bytes))).toBe(verdict);
    },
  );

  it('consumes the head and nothing after it', () => {
    const head = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n';
    expect(parseRequestHead(bytesOf(`${head}body`))).toMatchObject({ kind: 'head', consumed: head.length });
  });

  it('keeps fields in order, spelled as sent, without the white space round them', () => {
    const parsed = parseRequestHead(bytesOf('GET / HTTP/1.1\r\nhOsT:\ta \r\nX-B:  2 2\t\r\nX-A:\r\n\r\n'));
    expect(parsed).toMatchObject({
      head: {
        headers: [
          ['hOsT', 'a'],
          ['X-B', '2 2'],
          ['X-A', ''],
        ],
      },
    });
  });

  it('takes a head of exactly the limit, and not one byte more', () => {
    const around = 'GET / HTTP/1.1\r\nHost: a\r\nX-A: \r\n\r\n'.length;
    const sized = (size: number): Uint8Array =>
      bytesOf(`GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(size - around)}\r\n\r\n`);
    expect(requestVerdict(sized(LIMITS.httpHeadBytes))).toBe('GET / none');
    expect(requestVerdict(sized(LIMITS.httpHeadBytes + 1))).toBe('431');
    expect(requestVerdict(sized(LIMITS.httpHeadBytes).subarray(0, -1))).toBe('need-more');
  });
});

describe('S23 response heads', () => {
  it('has at least 60 rows', () => {
    expect(RESPONSES.length).toBeGreaterThanOrEqual(60);
  });
  it.each(RESPONSES.map((row) => ({ ...row, shown: shown(row.bytes) })))(
    '$verdict: $why $shown',
    ({ bytes, method, verdict }) => {
      expect(responseVerdict(bytesOf(bytes), method)).toBe(verdict);
    },
  );

  it('keeps a byte over 127 as it is', () => {
    const parsed = parseResponseHead(bytesOf('HTTP/1.1 200 \xff\r\nX-A: \x80\xe9\r\n\r\n'));
    expect(parsed).toMatchObject({ head: { statusText: '\xff', headers: [['X-A', '\x80\xe9']] } });
  });
});

/** However the bytes arrive: waiting, then one verdict, which never changes and never comes later than it must. */
describe.each([
  { side: 'request', rows: REQUESTS.map(({ bytes }) => bytes), parse: parseRequestHead },
  { side: 'response', rows: RESPONSES.map(({ bytes }) => bytes), parse: parseResponseHead },
])('S23 $side heads in pieces', ({ rows, parse }) => {
  it.each(rows.filter((bytes) => bytes.length < 2000))('%j', (text) => {
    const bytes = bytesOf(text);
    const whole = parse(bytes);
    let settled = false;
    for (let length = 0; length <= bytes.length; length += 1) {
      const partial = parse(bytes.subarray(0, length));
      if (settled || whole.kind === 'need-more') expect(partial.kind).toBe(whole.kind);
      if (partial.kind === 'need-more') continue;
      settled = true;
      expect(partial.kind).toBe(whole.kind);
      if (whole.kind === 'head') expect(partial).toEqual(whole);
    }
  });

  it('any bytes at all: a prefix never has another verdict than the whole', () => {
    const soup = fc.array(
      fc.constantFrom(
        'GET ',
        '/',
        ' HTTP/1.1',
        'HTTP/1.1 200 OK',
        '\r\n',
        '\n',
        '\r',
        'Host: a',
        'X',
        ':',
        ' ',
        '\0',
        '\xff',
      ),
      { maxLength: 14 },
    );
    fc.assert(
      fc.property(soup, fc.nat(60), (parts, cut) => {
        const bytes = bytesOf(parts.join(''));
        const partial = parse(bytes.subarray(0, cut));
        if (partial.kind !== 'need-more') expect(parse(bytes).kind).toBe(partial.kind);
      }),
      { numRuns: 500 },
    );
  });
});

const TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const characters = (from: string, min: number, max: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...Array.from(from)), { minLength: min, maxLength: max }).map((list) => list.join(''));
const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('');
const name = characters(TOKEN, 1, 12).filter((text) => text.toLowerCase() !== 'host');
const value = characters(`${printable}\t`, 0, 20).map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
const headers = fc.array(fc.tuple(name, value), { maxLength: 8 });
const target = characters(printable.replace(/[ #]/g, ''), 0, 20).map((text) => `/${text}`);

describe('what we write we read', () => {
  it('requests', () => {
    fc.assert(
      fc.property(fc.constantFrom('GET', 'POST', 'M-SEARCH', 'DELETE'), target, headers, (method, path, fields) => {
        const sent: readonly Header[] = [['Host', 'a.example'], ...fields];
        const bytes = serialiseRequestHead(method, path, sent);
        const head = { method, target: path, version: '1.1', headers: sent };
        expect(parseRequestHead(bytesOf(bytes))).toEqual({ kind: 'head', head, consumed: bytes.length });
      }),
    );
  });

  it('responses', () => {
    const reason = characters(printable, 0, 20).map((text) => text.trim());
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), reason, headers, (status, statusText, fields) => {
        const bytes = serialiseResponseHead(status, statusText, fields);
        const head = { version: '1.1', status, statusText, headers: fields };
        expect(parseResponseHead(bytesOf(bytes))).toEqual({ kind: 'head', head, consumed: bytes.length });
      }),
    );
  });

  it.each([
    { part: 'value', write: (text: string) => serialiseRequestHead('GET', '/', [['X-A', text]]) },
    { part: 'name', write: (text: string) => serialiseRequestHead('GET', '/', [[`X${text}`, '1']]) },
    { part: 'target', write: (text: string) => serialiseRequestHead('GET', `/${text}`, []) },
    { part: 'method', write: (text: string) => serialiseRequestHead(`GET${text}`, '/', []) },
    { part: 'reason', write: (text: string) => serialiseResponseHead(200, text, []) },
    { part: 'answer’s value', write: (text: string) => serialiseResponseHead(200, '', [['X-A', text]]) },
  ])('never writes a line break, NUL or character of two bytes into the $part', ({ write }) => {
    for (const text of ['\r', '\n', '\0', '\r\nX: y', 'Ā']) expect(() => write(text)).toThrow(BugError);
  });

  it.each([
    { write: () => serialiseRequestHead('GET', '/a b', []), why: 'a space would split the request line' },
    { write: () => serialiseRequestHead('GE T', '/', []), why: 'so would one in the method' },
    { write: () => serialiseRequestHead('GET', '/', [['X-A:', '1']]), why: 'a colon would shorten the name' },
    { write: () => serialiseRequestHead('GET', '/', [['', '1']]), why: 'there is no field without a name' },
  ])('$why', ({ write }) => {
    expect(write).toThrow(BugError);
  });

  it('as one byte per character', () => {
    expect(serialiseResponseHead(200, 'caf\xe9', [])).toBe('HTTP/1.1 200 caf\xe9\r\n\r\n');
  });
});
