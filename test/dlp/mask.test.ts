import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyMasker, buildMask, MASK_RUN } from '../../src/dlp/mask.ts';
import { privateParts } from '../../src/dlp/private-parts.ts';

const SECRET = 'Zq83hd7Wm2pXv91LkQ55';
const VALUE = `ghp_${SECRET}`;
const mask = buildMask([{ name: 'TOKEN', value: VALUE }]);

function masked(text: string | Buffer, cuts: readonly number[] = []): string {
  const bytes = Buffer.from(text);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((left, right) => left - right);
  const masker = new BodyMasker(mask);
  const blocks = places.slice(1).flatMap((end, index) => masker.push(bytes.subarray(places[index], end)));
  return Buffer.concat([...blocks, ...masker.end()]).toString('latin1');
}

describe('S13 what is masked', () => {
  it.each([
    { text: VALUE, why: 'the whole value' },
    { text: SECRET.slice(3, 3 + MASK_RUN), why: 'eight characters of it' },
    { text: Buffer.from(VALUE).toString('hex'), why: 'hex' },
    { text: Buffer.from(VALUE).toString('hex').toUpperCase(), why: 'hex in capitals' },
    { text: Array.from(SECRET, (c) => `%${c.charCodeAt(0).toString(16)}`).join(''), why: 'percent escapes' },
    ...[0, 1, 2].map((pad) => ({
      text: Buffer.from(`${'u:x'.slice(0, pad)}${VALUE}`).toString('base64'),
      why: `base64 at ${String(pad)}`,
    })),
  ])('$why', ({ text }) => {
    const out = masked(`{"echo":"${text}"}`);
    expect(out).toHaveLength(`{"echo":"${text}"}`.length);
    for (let at = 0; at + 12 <= text.length; at += 1) expect(out).not.toContain(text.slice(at, at + 12));
    expect(out).toMatch(/^\{"echo":".*"\}$/);
  });

  it.each([
    { text: 'ghp_ is the prefix of such tokens', why: 'the prefix that all share' },
    { text: SECRET.slice(0, MASK_RUN - 1), why: 'seven characters' },
    { text: SECRET.toLowerCase(), why: 'another letter case' },
  ])('not $why', ({ text }) => {
    expect(masked(text)).toBe(text);
  });

  it('any split of the stream gives the same answer', () => {
    const text = `a ${VALUE} b ${SECRET.slice(2, 14)}${SECRET} %5a${SECRET.slice(1)} c`;
    const whole = masked(text);
    expect(whole).not.toBe(text);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (cuts) => {
        expect(masked(text, cuts)).toBe(whole);
      }),
    );
  });

  it('holds nothing back at the end of an event', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (data) => {
        const event = Buffer.from(`data: ${data.replaceAll(/[\r\n%]/g, '')}\n\n`);
        expect(Buffer.concat(new BodyMasker(mask).push(event).map((block) => Buffer.from(block)))).toHaveLength(
          event.length,
        );
      }),
    );
  });

  it('passes blocks on as they are when nothing is in them', () => {
    const block = Buffer.from('nothing here\n');
    expect(new BodyMasker(mask).push(block)[0]).toBe(block);
  });
});

describe('S18 the private part', () => {
  it.each([
    { value: VALUE, parts: [SECRET], why: 'without the vendor prefix' },
    {
      value: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLWl0',
      parts: ['c2lnbmF0dXJlLW9mLWl0'],
      why: 'of a JWT',
    },
    {
      value: '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n',
      parts: ['MIIEvQIBADANBg', 'kqhkiG9w0BAQEF'],
      why: 'without armour',
    },
    { value: 'sk-short', parts: ['sk-short'], why: 'whole where nothing would be left' },
  ])('$why', ({ value, parts }) => {
    expect(privateParts(value)).toEqual(parts);
  });
});
