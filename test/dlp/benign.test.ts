import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import { screenBytes } from '../../src/dlp/screen.ts';
import { createTokenRules } from '../../src/egress/token-rules.ts';
import { unpack } from '../../src/platform/unpack.ts';

const known = buildKnownValues([
  { name: 'STRIPE_KEY', value: 'sk_live_Zq83hd7Wm2pXv91LtR5k' },
  { name: 'GH_TOKEN', value: 'ghp_4Tn9cVb7Kx2Lq8Ws5Rd1Yz6M0aBcDeFgHiJk' },
  { name: 'PASSWORD', value: 'Tr0ub4dor&3-xk9Q' },
]);
const tokens = createTokenRules((text) => createHash('sha256').update(text).digest('hex'), []).body;
const screen = { known, tokens, leaves: true, unpack };

/** Seed phrases and their words are what it is made of: those alarms are none too many. */
const NOT_BENIGN = /[\\/]bip39[\\/]/;

/** As they are in every checkout: sources, minified bundles, lock files, declarations, documents. */
function packageFiles(wanted: number): readonly string[] {
  const files: string[] = [];
  const folders = [path.join(ROOT, 'node_modules')];
  while (files.length < wanted * 4) {
    const folder = folders.shift();
    if (folder === undefined) break;
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const name = path.join(folder, entry.name);
      if (entry.isDirectory()) folders.push(name);
      else if (entry.isFile() && !NOT_BENIGN.test(name) && /\.(?:m?js|ts|json|md|map|cjs)$/.test(name))
        files.push(name);
    }
  }
  const step = Math.max(1, Math.floor(files.length / wanted));
  return files.filter((_, index) => index % step === 0).slice(0, wanted);
}

/** Bytes that nobody can tell from random ones, the same on each run. */
function randomLike(seed: string, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) =>
    createHash('sha256')
      .update(`${seed}${String(index)}`)
      .digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

const uuid = (seed: string): string =>
  randomLike(seed, 16)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-4$3-a$4-$5');
const MADE: readonly ((seed: string) => string)[] = [
  (seed) => JSON.stringify(Array.from({ length: 40 }, (_, index) => ({ id: uuid(`${seed}${String(index)}`) }))),
  (seed) => JSON.stringify({ image: `data:image/png;base64,${randomLike(seed, 6000).toString('base64')}` }),
  (seed) =>
    Array.from(
      { length: 60 },
      (_, index) => `${randomLike(`${seed}${String(index)}`, 32).toString('hex')}  file${String(index)}`,
    ).join('\n'),
  (seed) => randomLike(seed, 12_000).toString('latin1'),
  (seed) =>
    JSON.stringify({
      integrity: `sha512-${randomLike(seed, 64).toString('base64')}`,
      resolved: 'https://registry.example.com/a.tgz',
    }),
];

describe('ordinary bodies', () => {
  it('raise at most one false alarm in a thousand, and none by a known value', { timeout: 120_000 }, () => {
    const files = packageFiles(1700).map((file) => ({
      what: path.relative(ROOT, file),
      bytes: fs.readFileSync(file).subarray(0, 16 * 1024),
    }));
    const made = MADE.flatMap((make, kind) =>
      Array.from({ length: 100 }, (_, index) => ({
        what: `made ${String(kind)}`,
        bytes: Buffer.from(make(`${String(kind)}-${String(index)}`)),
      })),
    );
    const bodies = [...files, ...made];
    expect(bodies.length).toBeGreaterThanOrEqual(2000);
    const alarms = bodies.flatMap(({ what, bytes }) => {
      const [first] = screenBytes(screen, Uint8Array.from(bytes), 'body');
      return first === undefined ? [] : [`${first.rule} ${first.name}: ${what}`];
    });
    expect(alarms.filter((alarm) => !alarm.startsWith('token_pattern'))).toEqual([]);
    expect(alarms.length, alarms.join('\n')).toBeLessThanOrEqual(bodies.length / 1000);
  });
});
