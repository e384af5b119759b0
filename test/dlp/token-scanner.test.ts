import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtInRuleSet, BUILT_IN_RULES } from '../../src/dlp/rules/index.ts';
import { scanTokens, TokenScanner, type TokenFinding, type TokenScannerParts } from '../../src/dlp/token-scanner.ts';
import { LIMITS } from '../../src/kernel/limits.ts';
import { SeededRandom } from '../fuzz/random.ts';
import { cook } from './support/recipe.ts';

const PARTS: TokenScannerParts = {
  rules: builtInRuleSet(),
  mark: (secret) => Buffer.from(secret).toString('latin1'),
};

const RECIPES = BUILT_IN_RULES.flatMap(({ examples }) => [...examples.match, ...examples.miss]);

/** A text of examples with filler between them, some of it percent-escaped. */
const text = fc
  .array(
    fc.record({
      recipe: fc.constantFrom(...RECIPES),
      seed: fc.nat(1000),
      before: fc.constantFrom('', ' ', '\n', 'x', '%', '%2', '%20', '%2525', 'a word '),
      escaped: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((pieces) =>
    pieces
      .map(({ recipe, seed, before, escaped }) => {
        const cooked = cook(recipe, new SeededRandom(seed));
        return before + (escaped ? encodeURIComponent(cooked) : cooked);
      })
      .join(''),
  );

function scanSplit(bytes: Uint8Array, cuts: readonly number[]): readonly TokenFinding[] {
  const scanner = new TokenScanner(PARTS);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((left, right) => left - right);
  const findings: TokenFinding[] = [];
  for (let index = 0; index + 1 < places.length; index += 1) {
    const progress = scanner.push(bytes.subarray(places[index], places[index + 1]));
    findings.push(...progress.findings);
    const held = places[index + 1]! - progress.release;
    // What is held for a match that may still come is bounded by the window; after a finding nothing leaves any more.
    if (findings.length === 0) expect(held).toBeLessThanOrEqual(LIMITS.ruleWindowBytes * 9);
  }
  return [...findings, ...scanner.end().findings];
}

const sorted = (findings: readonly TokenFinding[]): readonly string[] =>
  findings.map((finding) => JSON.stringify(finding)).sort();

describe('the token scanner', () => {
  it('S17 finds the same in any split of a stream', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 12 }), (whole, cuts) => {
        const bytes = Buffer.from(whole);
        expect(sorted(scanSplit(bytes, cuts))).toEqual(sorted(scanTokens(PARTS, bytes)));
      }),
      { numRuns: 300 },
    );
  });

  it('S17 releases the same for any split: what is held depends on the bytes alone', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 6 }), (whole, cuts) => {
        const bytes = Buffer.from(whole);
        const split = new TokenScanner(PARTS);
        let at = 0;
        let released = 0;
        for (const cut of [...cuts.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)) {
          released = split.push(bytes.subarray(at, cut)).release;
          at = cut;
        }
        expect(released).toBe(new TokenScanner(PARTS).push(bytes).release);
      }),
      { numRuns: 300 },
    );
  });

  it('S17 byte by byte finds every example, and lets go at most eleven of its first bytes', () => {
    for (const rule of BUILT_IN_RULES) {
      const bytes = Buffer.from(cook(rule.examples.match[0]!, new SeededRandom(7)));
      const scanner = new TokenScanner(PARTS);
      const releases = [...bytes].map((byte) => scanner.push(Uint8Array.of(byte)));
      const all = [...releases, scanner.end()].flatMap(({ findings }) => findings);
      const mine = all.find((finding) => finding.rule === rule.id);
      expect(mine, rule.id).toBeDefined();
      const first = Math.min(...all.map(({ start }) => start));
      const leaked = Math.max(...releases.map(({ release }) => release)) - first;
      expect(leaked, rule.id).toBeLessThanOrEqual(11);
    }
  });

  it('S16 takes a bounded number of steps per byte, whatever the text repeats', () => {
    const worst: { readonly text: string; readonly perByte: number }[] = [];
    for (const keyword of new Set(BUILT_IN_RULES.flatMap(({ keywords }) => keywords))) {
      for (const shape of [keyword, `${keyword} `, `${keyword}=`, `${keyword}: "`, `${keyword}a`, `"${keyword}_`]) {
        const bytes = Buffer.from(shape.repeat(Math.ceil(6000 / shape.length)));
        const scanner = new TokenScanner(PARTS);
        scanner.push(bytes);
        scanner.end();
        worst.push({ text: shape, perByte: scanner.work / bytes.length });
      }
    }
    expect(worst.filter(({ perByte }) => perByte > 80)).toEqual([]);
  });
});
