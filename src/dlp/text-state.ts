/**
 * Whether bytes may be text: UTF-8, or UTF-16 of ASCII, without control characters. What a run of digits decodes to is
 * noise nearly always, and known values are texts, so this is the first thing that is asked.
 */
/** States of the walk: how many bytes the character still wants. */
export const GROUND = 0;
/** The byte goes on with no text. */
export const NOISE = 4;

/** ASCII text and NUL, noise, continuation, and the leads of two, three and four bytes. */
const [ASCII, NONE, MORE, TWO, THREE, FOUR] = [0, 1, 2, 3, 4, 5];
const CLASSES = 8;

export const CLASS_OF = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x80) {
    const allowed = byte === 0 || byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte !== 0x7f);
    return allowed ? ASCII : NONE;
  }
  if (byte < 0xc0) return MORE;
  if (byte < 0xc2 || byte > 0xf4) return NONE;
  return byte >= 0xf0 ? FOUR : byte >= 0xe0 ? THREE : TWO;
});

/** By state and class. */
export const NEXT = Uint8Array.from({ length: 4 * CLASSES }, (_, index) => {
  const state = index >> 3;
  const kind = index & 7;
  if (kind === MORE) return state === GROUND ? NOISE : state - 1;
  if (state !== GROUND) return NOISE;
  return kind === ASCII ? 0 : kind === TWO ? 1 : kind === THREE ? 2 : kind === FOUR ? 3 : NOISE;
});

/** The state after a byte that begins anew where the text before it broke off. */
export function restart(byteClass: number): number {
  return NEXT[byteClass] ?? NOISE;
}
