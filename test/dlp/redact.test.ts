import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/dlp/fingerprint.ts';
import { buildKnownValues, scanText } from '../../src/dlp/known-values.ts';
import { redactText } from '../../src/dlp/redact.ts';
import { percent } from './support/oracle.ts';

const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const OTHER = 'ghp_4Tn9cVb7Kx2Lq8Ws5Rd1Yz6M';
const known = buildKnownValues([
  { name: 'KEY', value: SECRET },
  { name: 'LONGER', value: `${SECRET}-and-more` },
  { name: 'OTHER', value: OTHER },
]);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('G-LEAK redaction', () => {
  it.each([
    { text: 'nothing here, 100 % sure', becomes: 'nothing here, 100 % sure', why: 'other text stays' },
    { text: `a ${SECRET} b`, becomes: 'a [redacted KEY] b', why: 'raw' },
    { text: `é${SECRET}ü€`, becomes: 'é[redacted KEY]ü€', why: 'beside characters of several bytes' },
    { text: `${SECRET}${OTHER}`, becomes: '[redacted KEY][redacted OTHER]', why: 'side by side' },
    { text: `<${percent(percent(OTHER))}>`, becomes: '<[redacted OTHER]>', why: 'escaped twice' },
    { text: `<${Buffer.from(OTHER).toString('hex').toUpperCase()}>`, becomes: '<[redacted OTHER]>', why: 'hex' },
    { text: `${SECRET}-and-more`, becomes: '[redacted KEY, LONGER]', why: 'one mark for what overlaps' },
    { text: '\uFEFFbom stays', becomes: '\uFEFFbom stays', why: 'nothing is normalised away' },
    { text: `\uFEFF${SECRET}`, becomes: '\uFEFF[redacted KEY]', why: 'nor beside a mark' },
  ])('$why', ({ text, becomes }) => {
    expect(redactText({ known, tokens: null }, text)).toBe(becomes);
  });

  it('reads a header’s text by its bytes too', () => {
    const value = 'pässwörter-für-ümläute';
    const text = Buffer.from(`é ${value} €`, 'utf8').toString('latin1');
    const redacted = redactText({ known: buildKnownValues([{ name: 'V', value }]), tokens: null }, text);
    expect(Buffer.from(redacted, 'latin1').toString('utf8')).toBe('é [redacted V] €');
  });

  it('leaves nothing that the scanner would find', () => {
    const part = fc.constantFrom(
      SECRET,
      OTHER,
      percent(SECRET),
      base64(`?${OTHER}`),
      base64(SECRET),
      percent(base64(OTHER)),
      SECRET.slice(0, 14),
      SECRET.slice(14),
      '%',
      '%25',
      '-and-more',
      ' ',
      'é',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const redacted = redactText({ known, tokens: null }, parts.join(''));
        expect(scanText(known, redacted, 'text')).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('S25 fingerprints', () => {
  const under = (key: string) => (text: string) => createHmac('sha256', key).update(text).digest('hex');
  it('are the same for one value in one bottle, and tell bottles apart', () => {
    expect(fingerprint(under('k1'), SECRET)).toMatch(/^fp:[0-9a-f]{8}$/);
    expect(fingerprint(under('k1'), SECRET)).toBe(fingerprint(under('k1'), SECRET));
    expect(fingerprint(under('k1'), SECRET)).not.toBe(fingerprint(under('k2'), SECRET));
    expect(fingerprint(under('k1'), SECRET)).not.toBe(fingerprint(under('k1'), OTHER));
  });
});
