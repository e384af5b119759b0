import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildKnownValues, createBodyScanner, scanBytes, scanText, type Finding } from '../../src/dlp/known-values.ts';
import { findAll, formsOf, percent, sortSpots } from './support/oracle.ts';

/** Made up for these tests. */
const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const OTHER = 'ghp_4Tn9cVb7Kx2Lq8Ws5Rd1Yz6M';
const known = buildKnownValues([{ name: 'STRIPE_KEY', value: SECRET }]);

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const base64url = (text: string): string => Buffer.from(text).toString('base64url');
const hex = (text: string): string => Buffer.from(text).toString('hex');
const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

describe('G-LEAK every encoding of a known value is found', () => {
  it.each([
    { text: SECRET, encoding: 'raw', why: 'as it is' },
    { text: `"key":"${SECRET}"`, encoding: 'raw', why: 'inside something' },
    { text: `${SECRET}${SECRET}`.slice(3, 3 + SECRET.length * 2 - 6), encoding: null, why: 'two halves are no whole' },
    { text: SECRET.toUpperCase(), encoding: null, why: 'in other letters it is another value' },
    { text: SECRET.slice(0, -1), encoding: null, why: 'all but one character' },
    { text: percent(SECRET), encoding: 'percent', why: 'every byte escaped' },
    { text: percent(SECRET).toUpperCase(), encoding: 'percent', why: 'with capital digits' },
    { text: percent(percent(SECRET)), encoding: 'percent', why: 'every byte escaped, twice' },
    { text: percent(SECRET).replaceAll('%', '%25'), encoding: 'percent', why: 'only the percent signs escaped again' },
    { text: SECRET.replace(/[aeiou_]/g, percent), encoding: 'percent', why: 'some bytes escaped' },
    { text: SECRET.replace('_', '%5F').replace('_', '%255f'), encoding: 'percent', why: 'once here, twice there' },
    {
      text: SECRET.replace('Z', '%5a').replace('h', '%68').replace('L', '%4C'),
      encoding: 'percent',
      why: 'both cases of digits',
    },
    { text: percent(percent(percent(SECRET))), encoding: null, why: 'three times is not decoded' },
    { text: base64(SECRET), encoding: 'base64', why: 'base64' },
    { text: base64(SECRET).replaceAll('=', ''), encoding: 'base64', why: 'base64 without padding' },
    { text: base64(`x${SECRET}yz`), encoding: 'base64', why: 'base64, shifted by one' },
    { text: base64(`xy${SECRET}z`), encoding: 'base64', why: 'base64, shifted by two' },
    { text: base64(`user:${SECRET}`), encoding: 'base64', why: 'as Basic credentials' },
    { text: base64url(`ÿÿ${SECRET}`), encoding: 'base64', why: 'base64url' },
    { text: percent(base64(SECRET)), encoding: 'percent', why: 'base64, escaped' },
    { text: hex(SECRET), encoding: 'hex', why: 'hex' },
    { text: hex(SECRET).toUpperCase(), encoding: 'hex', why: 'hex in capitals' },
    { text: hex(SECRET).replace(/[a-f]/, (letter) => letter.toUpperCase()), encoding: 'hex', why: 'hex in both' },
    { text: percent(hex(SECRET)), encoding: 'percent', why: 'hex, escaped' },
  ])('$encoding: $why', ({ text, encoding }) => {
    const findings = scanText(known, `before ${text} after`, 'body');
    expect(findings.map((finding) => finding.encoding)).toEqual(encoding === null ? [] : [encoding]);
    for (const finding of findings)
      expect(finding).toMatchObject({ rule: 'known_secret', name: 'STRIPE_KEY', place: 'body' });
  });

  it('with a + or a / in its base64, in both alphabets', () => {
    const value = 'a?>~?>?~~?>b~?>~?>~?>';
    const special = buildKnownValues([{ name: 'V', value }]);
    expect(base64(value)).toMatch(/[+/]/);
    for (const text of [base64(value), base64url(value)]) expect(scanText(special, text, 'body')).toHaveLength(1);
  });

  it('holding escapes itself, raw and escaped', () => {
    const value = '100%25_sure%41bcdef';
    const special = buildKnownValues([{ name: 'V', value }]);
    const texts = [value, percent(value), encodeURIComponent(value), encodeURIComponent(encodeURIComponent(value))];
    for (const text of texts) expect(scanText(special, text, 'body')).toHaveLength(1);
  });

  it('that is not ASCII, as UTF-8 and as one byte per character', () => {
    const value = 'pässwörter-für-ümläute';
    const special = buildKnownValues([{ name: 'V', value }]);
    for (const encoding of ['utf8', 'latin1'] as const) {
      const bytes = Buffer.from(value, encoding);
      expect(scanBytes(special, bytes, 'body')).toMatchObject([{ encoding: 'raw', start: 0, end: bytes.length }]);
      expect(scanText(special, bytes.toString('base64'), 'body')).toMatchObject([{ encoding: 'base64' }]);
      // A header's text, one character per byte.
      expect(scanText(special, bytes.toString('latin1'), 'header x')).toHaveLength(1);
    }
  });

  it('over several lines', () => {
    const pem = `-----BEGIN PRIVATE KEY-----\n${base64('x'.repeat(200))}\n-----END PRIVATE KEY-----\n`;
    const special = buildKnownValues([{ name: 'KEY', value: pem }]);
    for (const text of [pem, base64(pem), hex(pem), encodeURIComponent(pem)]) {
      expect(scanText(special, `a${text}b`, 'body')).toHaveLength(1);
    }
  });

  it('among hundreds', () => {
    const values = Array.from({ length: 300 }, (_, index) => ({
      name: `V${index}`,
      value: `${index}:${hex(`${SECRET}${index}`).slice(-24)}`,
    }));
    const many = buildKnownValues(values);
    for (const { name, value } of values) {
      expect(scanText(many, `x${base64(`?${value}`)}`, 'body').map((finding) => finding.name)).toEqual([name]);
    }
  });

  it('places are those of the bytes pushed', () => {
    const text = `é ${percent(SECRET)}!`;
    expect(scanText(known, text, 'body')).toMatchObject([{ start: 3, end: 3 + 3 * SECRET.length }]);
  });

  it('S25 a finding says nothing of the value', () => {
    const said = JSON.stringify(scanText(known, `${SECRET} ${base64(SECRET)} ${hex(SECRET)}`, 'body'));
    for (let at = 0; at + 4 <= SECRET.length; at += 1) expect(said).not.toContain(SECRET.slice(at, at + 4));
  });

  it('without values lets everything go', () => {
    const scanner = createBodyScanner(buildKnownValues([{ name: 'EMPTY', value: '' }]), 'body');
    expect(scanner.push(latin1('anything %41'))).toEqual({ release: 12, certain: 12, findings: [] });
    expect(scanner.end()).toEqual({ release: 12, certain: 12, findings: [] });
  });
});

const VALUES = [
  { name: 'A', value: SECRET },
  { name: 'B', value: 'aab%41aaba' },
  { name: 'C', value: 'xaab%41aabay' },
  { name: 'D', value: 'deadbeef' },
];
const several = buildKnownValues(VALUES);

/** Texts made of values in every form, of their pieces, and of escapes, whole and broken. */
const piece = fc
  .tuple(
    fc.constantFrom(...VALUES.flatMap(({ value }) => formsOf(value).map(({ text }) => text))),
    fc.constantFrom(
      (text: string) => text,
      percent,
      (text: string) => percent(percent(text)),
      (text: string) => text.toUpperCase(),
      (text: string) => text.replace(/[a-m]/g, percent),
    ),
    fc.nat(40),
    fc.nat(120),
  )
  .map(([text, encode, from, to]) => (to > 60 ? encode(text) : encode(text).slice(from % 12, from + to)));
const filler = fc.constantFrom(
  '',
  '%',
  '%4',
  '%41',
  '%2541',
  '%25',
  '%%',
  'a',
  'x',
  'aab',
  'dead',
  ' ',
  'y',
  '\0',
  '\xff',
);
const texts = fc.array(fc.oneof(piece, filler), { maxLength: 10 }).map((parts) => parts.join(''));
const cuts = fc.array(fc.nat(400), { maxLength: 12 });

interface Run {
  readonly findings: readonly Finding[];
  readonly releases: readonly number[];
}
function scanInPieces(text: string, places: readonly number[]): Run {
  const bytes = latin1(text);
  const scanner = createBodyScanner(several, 'body');
  const edges = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const steps = edges.slice(1).map((end, index) => scanner.push(bytes.subarray(edges[index], end)));
  const all = [...steps, scanner.end()];
  return { findings: all.flatMap(({ findings }) => findings), releases: all.map(({ release }) => release) };
}

describe('S17 any split of the stream', () => {
  it('gives what a search of the whole gives', () => {
    fc.assert(
      fc.property(texts, cuts, (text, places) => {
        const { findings } = scanInPieces(text, places);
        expect(sortSpots(findings)).toEqual(findAll(VALUES, text));
      }),
      { numRuns: 3000 },
    );
  });

  it('gives the same findings in the same order, and lets the same bytes go', () => {
    fc.assert(
      fc.property(texts, cuts, cuts, (text, left, right) => {
        const one = scanInPieces(text, left);
        const two = scanInPieces(text, right);
        expect(one.findings).toEqual(two.findings);
        expect(one.releases.at(-1)).toBe(two.releases.at(-1));
      }),
      { numRuns: 1000 },
    );
  });

  it('lets go only forwards, never of a finding, and of all where there is none', () => {
    fc.assert(
      fc.property(texts, cuts, (text, places) => {
        const { findings, releases } = scanInPieces(text, places);
        expect(releases).toEqual([...releases].sort((a, b) => a - b));
        expect(releases.at(-1)).toBe(Math.min(text.length, ...findings.map(({ start }) => start)));
      }),
      { numRuns: 1000 },
    );
  });

  it('byte by byte holds exactly what may still become a match', () => {
    const plain = fc
      .array(
        fc.oneof(
          fc.constantFrom(...formsOf(SECRET).map(({ text }) => text)),
          fc.constantFrom('s', 'sk_', 'x', SECRET.slice(0, 9)),
        ),
        { maxLength: 4 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(plain, fc.nat(200), (text, length) => {
        const begun = text.slice(0, length);
        if (findAll([{ name: 'A', value: SECRET }], begun).length > 0) return;
        const ends = Array.from({ length: begun.length }, (_, index) => begun.length - index);
        const open = ends.find((size) => {
          const ending = begun.slice(begun.length - size);
          return formsOf(SECRET).some(
            (form) =>
              form.text.length > size && form.text.startsWith(form.encoding === 'hex' ? ending.toLowerCase() : ending),
          );
        });
        const { release } = createBodyScanner(known, 'body').push(latin1(begun));
        expect(begun.length - release).toBe(open ?? 0);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('S17 S18 what has left before the verdict', () => {
  const fold = [
    { form: 'raw', encode: (text: string) => text },
    { form: 'percent', encode: percent },
    { form: 'percent twice', encode: (text: string) => percent(percent(text)) },
    { form: 'percent in part', encode: (text: string) => text.replace(/[a-z]/g, percent) },
    { form: 'base64', encode: base64 },
    { form: 'base64 shifted by one', encode: (text: string) => base64(`#${text}`) },
    { form: 'base64url shifted by two', encode: (text: string) => base64url(`#!${text}`) },
    { form: 'hex', encode: hex },
    { form: 'hex in capitals, escaped', encode: (text: string) => percent(hex(text).toUpperCase()) },
  ];
  /** Everything that somebody could read out of these bytes. */
  const readings = (text: string): readonly string[] => {
    const views = [text, unescapeOnce(text), unescapeOnce(unescapeOnce(text))];
    return views.flatMap((view) => [
      view,
      ...[0, 1, 2, 3].map((skip) =>
        Buffer.from(view.replace(/[^\w+/-]/g, '').slice(skip), 'base64').toString('latin1'),
      ),
      ...[0, 1].map((skip) => Buffer.from(view.replace(/[^0-9a-fA-F]/g, '').slice(skip), 'hex').toString('latin1')),
    ]);
  };
  const unescapeOnce = (text: string): string =>
    text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));

  it.each(fold)('$form: never more than 11 characters', ({ encode }) => {
    fc.assert(
      fc.property(
        fc.constantFrom(SECRET, OTHER),
        fc.constantFrom('', 'xxxx', '....', '%', '!%2'),
        fc.array(fc.nat(300)),
        (value, before, places) => {
          const bytes = latin1(`${before}${encode(value)}....`);
          const edges = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
          const scanner = createBodyScanner(buildKnownValues([{ name: 'V', value }]), 'body');
          let left = 0;
          let seen = false;
          for (const [index, end] of edges.slice(1).entries()) {
            const step = scanner.push(bytes.subarray(edges[index], end));
            seen ||= step.findings.length > 0;
            left = step.release;
          }
          expect(seen).toBe(true);
          const texts = readings(Buffer.from(bytes.subarray(0, left)).toString('latin1'));
          for (let at = 0; at + 12 <= value.length; at += 1) {
            const run = value.slice(at, at + 12);
            expect(texts.some((text) => text.includes(run))).toBe(false);
          }
        },
      ),
    );
  });
});
