import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import { redactMessage } from '../../src/dlp/redact-message.ts';
import { screenBytes } from '../../src/dlp/screen.ts';

const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const screen = { known: buildKnownValues([{ name: 'KEY', value: SECRET }]), tokens: null };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function redact(text: string, type: string): string {
  const redacted = redactMessage(screen, bytesOf(text), type);
  return redacted.kind === 'redacted' ? new TextDecoder().decode(redacted.bytes) : redacted.kind;
}

describe('redaction keeps the message what it is', () => {
  it.each([
    { type: 'application/json', text: '{"a":"b"}', becomes: 'clean', why: 'nothing to do' },
    {
      type: 'application/json; charset=utf-8',
      text: `{"a":"x ${SECRET} y","n":1}`,
      becomes: '{"a":"x [redacted KEY] y","n":1}',
      why: 'a JSON string',
    },
    {
      type: 'application/vnd.api+json',
      text: `{"${SECRET}":true}`,
      becomes: '{"[redacted KEY]":true}',
      why: 'a name in JSON',
    },
    {
      type: 'application/x-www-form-urlencoded',
      text: `a=1&k=${SECRET}&b=2`,
      becomes: 'a=1&k=%5Bredacted%20KEY%5D&b=2',
      why: 'a form',
    },
    { type: 'text/plain', text: `x ${SECRET}`, becomes: 'x [redacted KEY]', why: 'a text' },
    {
      type: 'multipart/form-data; boundary="b"',
      text: `--b\r\ncontent-disposition: form-data; name="f"\r\n\r\n${SECRET}\r\n--b--\r\n`,
      becomes: '--b\r\ncontent-disposition: form-data; name="f"\r\n\r\n[redacted KEY]\r\n--b--\r\n',
      why: 'a part, its borders intact',
    },
    {
      type: 'multipart/form-data; boundary=b',
      text: `--b\r\ncontent-disposition: form-data; name="${SECRET}"\r\n\r\nx\r\n--b--\r\n`,
      becomes: 'dirty',
      why: 'a part’s header is no place to write in',
    },
    { type: 'application/grpc', text: SECRET, becomes: 'dirty', why: 'lengths within would no longer be true' },
  ])('$why', ({ type, text, becomes }) => {
    expect(redact(text, type)).toBe(becomes);
  });

  it('a value split over two JSON strings is taken out of both', () => {
    const redacted = redact(JSON.stringify([SECRET.slice(0, 15), SECRET.slice(15)]), 'application/json');
    expect(JSON.parse(redacted)).toEqual(['[redacted KEY]', '[redacted KEY]']);
  });

  it('whatever stands round it, JSON stays JSON and nothing is left of it', () => {
    const disguises = [
      (text: string): string => text,
      (text: string): string => Buffer.from(text).toString('base64'),
      (text: string): string => Array.from(text).join('"'),
      (text: string): string => Array.from(text).join('\n'),
      (text: string): string => encodeURIComponent(text).replaceAll('_', '%5f'),
    ];
    const value = fc.tuple(fc.string(), fc.constantFrom(...disguises), fc.string());
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (parts) => {
        const text = JSON.stringify(
          parts.map(([before, disguise, after]) => ({ k: [before, disguise(SECRET), after] })),
        );
        const redacted = redactMessage(screen, bytesOf(text), 'application/json');
        if (redacted.kind !== 'redacted') return;
        expect(() => {
          JSON.parse(new TextDecoder().decode(redacted.bytes));
        }).not.toThrow();
        expect(screenBytes(screen, redacted.bytes, 'body')).toEqual([]);
      }),
    );
  });
});
