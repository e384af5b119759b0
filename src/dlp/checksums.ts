import { assertNever } from '../kernel/assert-never.ts';
import type { Checksum } from './rule.ts';

/** Whether a secret's own check digits are right: what only looks like a card or an account is none. */
export function checks(checksum: Checksum, secret: Uint8Array): boolean {
  switch (checksum) {
    case 'luhn':
      return luhn(digitsOf(secret));
    case 'iban':
      return iban(secret);
    case 'mixed':
      return mixed(secret);
    default:
      return assertNever(checksum);
  }
}

const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57;

function digitsOf(bytes: Uint8Array): readonly number[] {
  return [...bytes].filter(isDigit).map((byte) => byte - 48);
}

/** ISO/IEC 7812-1 annex B. A row of one digit fulfils it too, and is nobody's card. */
function luhn(digits: readonly number[]): boolean {
  const sum = digits.toReversed().reduce((total, digit, index) => {
    const doubled = digit * 2;
    return total + (index % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return digits.length >= 12 && new Set(digits).size > 2 && sum % 10 === 0;
}

/** The lengths of ISO 13616's registry: https://www.swift.com/standards/data-standards/iban-international-bank-account-number */
const IBAN_LENGTHS: Readonly<Record<string, number>> = {
  AD: 24,
  AE: 23,
  AL: 28,
  AT: 20,
  AZ: 28,
  BA: 20,
  BE: 16,
  BG: 22,
  BH: 22,
  BR: 29,
  BY: 28,
  CH: 21,
  CR: 22,
  CY: 28,
  CZ: 24,
  DE: 22,
  DK: 18,
  DO: 28,
  EE: 20,
  EG: 29,
  ES: 24,
  FI: 18,
  FO: 18,
  FR: 27,
  GB: 22,
  GE: 22,
  GI: 23,
  GL: 18,
  GR: 27,
  GT: 28,
  HR: 21,
  HU: 28,
  IE: 22,
  IL: 23,
  IS: 26,
  IT: 27,
  JO: 30,
  KW: 30,
  KZ: 20,
  LB: 28,
  LI: 21,
  LT: 20,
  LU: 20,
  LV: 21,
  MC: 27,
  MD: 24,
  ME: 22,
  MK: 19,
  MT: 31,
  MU: 30,
  NL: 18,
  NO: 15,
  PK: 24,
  PL: 28,
  PS: 29,
  PT: 25,
  QA: 29,
  RO: 24,
  RS: 22,
  SA: 24,
  SE: 24,
  SI: 19,
  SK: 24,
  SM: 27,
  TN: 24,
  TR: 26,
  UA: 29,
  VA: 22,
  VG: 24,
  XK: 20,
};

export const IBAN_COUNTRIES = Object.keys(IBAN_LENGTHS);

/** ISO 7064 MOD 97-10 over the account with its first four characters moved to the end, letters as 10 to 35. */
function iban(secret: Uint8Array): boolean {
  const text = String.fromCharCode(...secret).replaceAll(' ', '');
  if (IBAN_LENGTHS[text.slice(0, 2)] !== text.length) return false;
  const moved = text.slice(4) + text.slice(0, 4);
  let rest = 0;
  for (const character of moved) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/**
 * What a machine made at random has letters, and either digits among them or capitals all over; a word, a name in camel
 * case or a number does not.
 */
function mixed(secret: Uint8Array): boolean {
  const upper = secret.filter((byte) => byte >= 65 && byte <= 90).length;
  const lower = secret.filter((byte) => byte >= 97 && byte <= 122).length;
  return secret.some(isDigit) ? upper + lower > 0 : Math.min(upper, lower) * 4 >= secret.length;
}
