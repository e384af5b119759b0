import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDeepScanner, deepScanBytes, deepScanText } from '../../src/dlp/deep-scanner.ts';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import { ENCODINGS, PLACES, SHAPES, type Disguise } from './support/disguises.ts';

/** Made up for these tests; one of each family of credentials. */
const VALUES = [
  { name: 'STRIPE_KEY', value: 'sk_live_Zq83hd7Wm2pXv91LtR5k' },
  { name: 'GH_TOKEN', value: 'ghp_4Tn9cVb7Kx2Lq8Ws5Rd1Yz6M0aBcDeFgHiJk' },
  { name: 'SECRET_KEY', value: 'wJ4lrXUtnF7MI/K7Ma+NG/bPxRfiCYz9dpLqKe' },
  { name: 'PASSWORD', value: 'Tr0ub4dor&3-xk9Q' },
  { name: 'DATABASE_URL', value: 'postgres://app:hV7w2Lq9Zx3pK5n8@db.example.com:5432/app' },
];
const fresh = (values = VALUES) => buildKnownValues(values);
const shared = fresh();
const namesIn = (text: string, known = shared): ReadonlySet<string> =>
  new Set(deepScanText(known, text, 'body', { leaves: false }).map(({ name }) => name));

const cases = (layers: readonly (readonly Disguise[])[]): readonly Disguise[] =>
  layers.reduce<readonly Disguise[]>(
    (made, next) =>
      made.flatMap(([name, apply]) =>
        next.map(([outer, wrap]): Disguise => [`${name}, ${outer}`, (text) => wrap(apply(text))]),
      ),
    [['', (text) => text]],
  );

/** What was missed, by name: an empty list says more than a thousand green lines. */
function missed(disguises: readonly Disguise[], values = VALUES): readonly string[] {
  return values.flatMap(({ name, value }) =>
    disguises.filter(([, apply]) => !namesIn(apply(value)).has(name)).map(([disguise]) => `${name}${disguise}`),
  );
}

describe('G-LEAK every disguise of a known value is seen through', () => {
  it('in one shape, in every place of a request', () => {
    const all = cases([SHAPES, PLACES]);
    expect(all.length * VALUES.length).toBeGreaterThan(400);
    expect(missed(all)).toEqual([]);
  });

  it('in one encoding, in every place of a request', () => {
    expect(missed(cases([ENCODINGS, PLACES]))).toEqual([]);
  });

  it('in two encodings', () => {
    expect(missed(cases([ENCODINGS, ENCODINGS]))).toEqual([]);
  });

  it('in three encodings', () => {
    expect(missed(cases([ENCODINGS, ENCODINGS, ENCODINGS]), VALUES.slice(1, 2))).toEqual([]);
  });

  it('in a shape, encoded', () => {
    // What stands between the characters is left as it is by this one, and falls away only without the escapes.
    const encodings = ENCODINGS.filter(([name]) => name !== 'percent of every other');
    expect(missed(cases([SHAPES, encodings]))).toEqual([]);
  });
});

describe('S18 pieces of a value', () => {
  const value = 'Zq83hd7Wm2pXv91LtR5kTn9cVb7Kx2Lq';
  const known = () => fresh([{ name: 'V', value: `sk_live_${value}` }]);
  const scan = (of: ReturnType<typeof known>, text: string) => [
    ...new Set(deepScanText(of, text, 'body').map(({ name }) => name)),
  ];

  it.each([
    { text: value.slice(5, 17), found: true, why: 'twelve characters are a hit the first time' },
    { text: value.slice(5, 16), found: false, why: 'eleven are remembered' },
    { text: `sk_live_${value.slice(0, 7)}`, found: false, why: 'the vendor’s prefix is nobody’s secret' },
    { text: `sk_live_${value.slice(0, 12)}`, found: true, why: 'what follows it is' },
  ])('$why', ({ text, found }) => {
    expect(scan(known(), text)).toEqual(found ? ['V'] : []);
  });

  it('runs of eight count together until half has left, over any number of requests', () => {
    const bottle = known();
    expect(scan(bottle, value.slice(0, 8))).toEqual([]);
    for (let again = 0; again < 5; again += 1) expect(scan(bottle, value.slice(0, 8))).toEqual([]);
    expect(scan(bottle, JSON.stringify({ a: value.slice(24, 32) }))).toEqual(['V']);
  });

  it('what is only looked at is not remembered', () => {
    const bottle = known();
    for (const at of [0, 8, 16, 24]) {
      expect(deepScanText(bottle, value.slice(at, at + 8), 'log', { leaves: false })).toEqual([]);
    }
    expect(scan(bottle, value.slice(0, 8))).toEqual([]);
  });

  it('of twenty streams with a piece each, none but the first few go through', () => {
    const bottle = known();
    const streams = Array.from({ length: 20 }, (_, index) => value.slice(index, index + 11));
    const through = streams.filter((text) => scan(bottle, text).length === 0);
    expect(through.length).toBeLessThan(7);
  });

  it('of what everybody knows of a connection string, nothing is found', () => {
    expect(namesIn('postgres://app:other@db.example.com:5432/app').size).toBe(0);
  });
});

describe('S17 any split of the stream', () => {
  const disguised = fc
    .tuple(
      fc.constantFrom(...VALUES.map(({ value }) => value)),
      fc.constantFrom(...cases([SHAPES, ENCODINGS, PLACES]).map(([, apply]) => apply)),
    )
    .map(([value, apply]) => apply(value));
  const text = fc.oneof(disguised, fc.lorem({ maxCount: 30 }), fc.base64String({ maxLength: 300 }));
  const scanIn = (bytes: Uint8Array, cuts: readonly number[]) => {
    const scanner = createDeepScanner(fresh(), 'body');
    const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
    const steps = edges.slice(1).map((end, index) => scanner.push(bytes.subarray(edges[index], end)));
    const all = [...steps, scanner.end()];
    return {
      names: [...new Set(all.flatMap(({ findings }) => findings.map(({ name }) => name)))].sort(),
      releases: all.map(({ release }) => release),
    };
  };

  it('finds the same, and lets go only forwards', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(5000), { maxLength: 8 }), (input, cuts) => {
        const bytes = Buffer.from(input, 'utf8');
        const whole = scanIn(bytes, []);
        const split = scanIn(bytes, cuts);
        expect(split.names).toEqual(whole.names);
        for (const { releases } of [whole, split]) expect(releases).toEqual(releases.toSorted((a, b) => a - b));
        if (whole.names.length === 0) expect(split.releases.at(-1)).toBe(bytes.length);
      }),
      { numRuns: 400 },
    );
  });

  it('a word that says nothing is not held', () => {
    const scanner = createDeepScanner(fresh(), 'body');
    const message = Buffer.from('{"text":"internationalisation-of-everything');
    expect(scanner.push(message).release).toBeGreaterThanOrEqual(message.length - 1);
  });
});

describe('hostile input costs a bounded number of steps', () => {
  it.each([
    { why: 'a word of sixteen megabytes', bytes: Buffer.alloc(16 * 1024 * 1024, 'A') },
    { why: 'nothing but escapes', bytes: Buffer.from('%25'.repeat(100_000)) },
    {
      why: 'base64 of base64 of base64 of base64',
      bytes: [1, 2, 3, 4].reduce((inner) => Buffer.from(inner.toString('base64')), Buffer.alloc(100_000, 'aZ7')),
    },
    { why: 'backslashes', bytes: Buffer.alloc(300_000, '\\') },
  ])('$why', { timeout: 60_000 }, ({ bytes }) => {
    const findings = deepScanBytes(fresh(), bytes, 'body');
    expect(findings.filter(({ rule }) => rule !== 'unscannable')).toEqual([]);
  });
});
