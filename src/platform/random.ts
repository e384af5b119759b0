import { randomBytes, randomInt } from 'node:crypto';
import type { Random } from '../ports/random.ts';

const BASE36 = '0123456789abcdefghijklmnopqrstuvwxyz';

/** The kernel's randomness. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  base36: (length) => Array.from({ length }, () => BASE36.charAt(randomInt(BASE36.length))).join(''),
};
