import { LIMITS } from '../kernel/limits.ts';

/**
 * Which forwarded values are worth scanning for (SECURITY S14). Looking for `test` or `/usr/bin` in everything that
 * leaves would stop all work and protect nothing.
 */
export type ValueStrength = { readonly kind: 'secret' } | { readonly kind: 'plain'; readonly why: string };

const { knownValueMinChars: MIN_CHARACTERS, knownValueMinBits: MIN_BITS } = LIMITS;
const COMMON_WORDS: ReadonlySet<string> = new Set([
  'password', 'passw0rd', 'changeme', 'secret', 'development', 'production', 'staging', 'localhost', 'postgres',
  'username', 'anonymous', 'administrator', 'undefined', 'disabled', 'enabled', 'default', 'testing', 'example',
  'placeholder', 'xxxxxxxx', 'application', 'database',
]); // prettier-ignore

export function classifyValue(
  value: string,
  context: { readonly routedHosts: readonly string[]; readonly userName: string },
): ValueStrength {
  const plain = (why: string): ValueStrength => ({ kind: 'plain', why });
  if (value.length < MIN_CHARACTERS) return plain(`shorter than ${String(MIN_CHARACTERS)} characters`);
  if (COMMON_WORDS.has(value.toLowerCase())) return plain('a common word');
  if (value.toLowerCase() === context.userName.toLowerCase()) return plain('the user name');
  if (isPath(value)) return plain('a path');
  const [, host] = /^(?:https?:\/\/)?([^/:@]+)(?::\d+)?\/?$/.exec(value.toLowerCase()) ?? [];
  if (host !== undefined && context.routedHosts.includes(host)) return plain('a host that is routed');
  if (/^[a-z]+$/.test(value) && value.length < 12) return plain('a single word');
  if (entropyBits(value) < MIN_BITS) return plain(`under ${String(MIN_BITS)} bits, easy to guess`);
  return { kind: 'secret' };
}

/** Keys in base64 may begin with a slash too; no directory's name looks like one. */
function isPath(value: string): boolean {
  if (!/^(?:~|\.{0,2})\/[\w./-]*$/.test(value)) return false;
  return !value.split('/').some((segment) => segment.length >= 16 && looksRandom(segment));
}

function looksRandom(text: string): boolean {
  return /[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text);
}

/** Shannon entropy of the characters times the length: what guessing it character by character would cost at best. */
function entropyBits(value: string): number {
  const counts = new Map<string, number>();
  const characters = Array.from(value);
  for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= count * Math.log2(count / characters.length);
  return bits;
}
