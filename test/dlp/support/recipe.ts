import { SeededRandom } from '../../fuzz/random.ts';

/** What each letter of a recipe stands for: src/dlp/rule.ts. */
const ALPHABETS: Readonly<Record<string, string>> = {
  A: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
  a: 'abcdefghijklmnopqrstuvwxyz0123456789',
  U: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
  L: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
  l: 'abcdefghijklmnopqrstuvwxyz',
  d: '0123456789',
  x: '0123456789abcdef',
  X: '0123456789ABCDEF',
  b: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
  w: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-',
  c: '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz',
  k: 'qpzry9x8gf2tvdw0s3jn54khce6mua7l',
  K: 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L',
  B: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
};

export function cook(recipe: string, random: SeededRandom): string {
  const whole = recipe.replaceAll('{u}', '{x8}-{x4}-{x4}-{x4}-{x12}');
  return whole.replace(/\{([A-Za-z])(\d+)\}/g, (ingredient, letter: string, count: string) => {
    const alphabet = ALPHABETS[letter];
    if (alphabet === undefined) throw new RangeError(`${ingredient} is no ingredient`);
    return Array.from({ length: Number(count) }, () => alphabet.charAt(random.below(alphabet.length))).join('');
  });
}
