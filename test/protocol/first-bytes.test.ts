import { describe, expect, it } from 'vitest';
import { classifyFirstBytes } from '../../src/protocol/first-bytes.ts';
import { bytesOf } from './support/bytes.ts';

const rows = [
  { bytes: '\x16\x03\x01\x02\x00\x01', is: 'tls', why: 'a handshake record' },
  { bytes: '\x16\x03\x03', is: 'tls', why: 'three bytes are enough' },
  { bytes: '\x16\x02\x00', is: 'other', why: 'SSL 2 as a record' },
  { bytes: '\x16\x04\x00', is: 'other', why: 'a major version that is none' },
  { bytes: '\x16\x03\x09', is: 'other', why: 'a minor version that is none' },
  { bytes: '\x17\x03\x03', is: 'other', why: 'TLS data without a handshake' },
  { bytes: '\x80\x2e\x01', is: 'other', why: 'an SSL 2 hello' },
  { bytes: 'GET / HTTP/1.1', is: 'http', why: 'a request' },
  { bytes: 'M-SEARCH * ', is: 'http', why: 'a method with a dash' },
  { bytes: 'CONNECT ', is: 'http', why: 'the space settles it' },
  { bytes: 'GET', is: 'need-more', why: 'a method so far' },
  { bytes: '', is: 'need-more', why: 'nothing' },
  { bytes: '\x16', is: 'need-more', why: 'one byte of a record' },
  { bytes: '\x16\x03', is: 'need-more', why: 'two' },
  { bytes: 'get / HTTP/1.1', is: 'other', why: 'no method we know is in small letters' },
  { bytes: ' GET /', is: 'other', why: 'a space in front' },
  { bytes: '\r\nGET /', is: 'other', why: 'an empty line in front' },
  { bytes: 'SSH-2.0-OpenSSH_9.2\r\n', is: 'other', why: 'SSH' },
  { bytes: 'EHLO\r\n', is: 'other', why: 'SMTP' },
  { bytes: 'PRI * HTTP/2.0\r\n', is: 'other', why: 'HTTP/2 in clear' },
  { bytes: 'PRINT / HTTP/1.1', is: 'http', why: 'a method that begins like it; the head parser judges it' },
  { bytes: 'A'.repeat(25), is: 'other', why: 'longer than any method' },
  { bytes: '\0\0\0', is: 'other', why: 'zeros' },
  { bytes: '\x05\x01\x00', is: 'other', why: 'SOCKS' },
];

describe('G-DENY what is neither TLS nor HTTP is nothing', () => {
  it.each(rows)('$is: $why', ({ bytes, is }) => {
    expect(classifyFirstBytes(bytesOf(bytes))).toBe(is);
  });

  it.each(rows)('byte by byte the same: $why', ({ bytes, is }) => {
    const verdicts = Array.from({ length: bytes.length + 1 }, (_, length) =>
      classifyFirstBytes(bytesOf(bytes).subarray(0, length)),
    );
    const settled = verdicts.filter((verdict) => verdict !== 'need-more');
    expect(new Set(settled)).toEqual(new Set(is === 'need-more' ? [] : [is]));
    expect(verdicts.slice(verdicts.length - settled.length)).toEqual(settled);
  });
});
