/**
 * What a run of characters may stand for when one layer of encoding is taken off: escapes of URLs, JSON, HTML and mail,
 * base64 and base32 at every alignment, hex. Most readings are noise; what they cost is bounded by the run's length.
 */
const QUANTUM = { base64: 4, base32: 8, hex: 2 } as const;
/** A value of eight characters, the shortest that is looked for, has no shorter form. */
const SHORTEST = { base64: 11, base32: 13, hex: 16 } as const;
/** Longer runs are decoded only where they say text: an image is decoded nowhere. */
const WHOLE_RUN_BYTES = 4096;

const table = (alphabets: readonly string[]): Int8Array => {
  const values = new Int8Array(256).fill(-1);
  for (const alphabet of alphabets) {
    for (let index = 0; index < alphabet.length; index += 1) values[alphabet.charCodeAt(index)] = index;
  }
  return values;
};
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const BASE64 = table([
  `${LETTERS}${LETTERS.toLowerCase()}0123456789+/`,
  `${LETTERS}${LETTERS.toLowerCase()}0123456789-_`,
]);
const BASE32 = table([`${LETTERS}234567`, `${LETTERS.toLowerCase()}234567`]);
const HEX = table(['0123456789ABCDEF', '0123456789abcdef']);

export function unfold(run: Uint8Array): readonly Uint8Array[] {
  const readings: Uint8Array[] = [];
  const unescaped = unescape(run);
  if (unescaped !== null) readings.push(unescaped);
  const quoted = unquote(run);
  if (quoted !== null) readings.push(quoted);
  addDigits(run, { digits: BASE64, bits: 6, ...sizesOf('base64') }, readings);
  addDigits(run, { digits: BASE32, bits: 5, ...sizesOf('base32') }, readings);
  addDigits(run, { digits: HEX, bits: 4, ...sizesOf('hex') }, readings);
  return readings;
}

const sizesOf = (kind: keyof typeof QUANTUM): { readonly quantum: number; readonly shortest: number } => ({
  quantum: QUANTUM[kind],
  shortest: SHORTEST[kind],
});

interface DigitCode {
  readonly digits: Int8Array;
  readonly bits: number;
  readonly quantum: number;
  readonly shortest: number;
}

/** Every stretch of digits in the run, decoded from each place where a group may begin. */
function addDigits(run: Uint8Array, code: DigitCode, readings: Uint8Array[]): void {
  let from = 0;
  for (let at = 0; at <= run.length; at += 1) {
    if (at < run.length && (code.digits[run[at] ?? 0] ?? -1) !== -1) continue;
    if (at - from >= code.shortest) addAlignments(run.subarray(from, at), code, readings);
    from = at + 1;
  }
}

function addAlignments(stretch: Uint8Array, code: DigitCode, readings: Uint8Array[]): void {
  for (let skip = 0; skip < code.quantum; skip += 1) {
    const shifted = stretch.subarray(skip);
    if (stretch.length <= WHOLE_RUN_BYTES || code.bits !== 6) readings.push(decodeDigits(shifted, code));
    else addTexts(shifted, code, readings);
  }
}

function decodeDigits(stretch: Uint8Array, { digits, bits }: DigitCode): Uint8Array {
  const bytes = new Uint8Array(Math.floor((stretch.length * bits) / 8));
  let held = 0;
  let heldBits = 0;
  let to = 0;
  for (const byte of stretch) {
    held = ((held << bits) | (digits[byte] ?? 0)) & 0xffff;
    heldBits += bits;
    if (heldBits < 8) continue;
    heldBits -= 8;
    bytes[to] = (held >> heldBits) & 0xff;
    to += 1;
  }
  return bytes;
}

/** The groups of four that stand for three ASCII bytes each, where at least three such follow one another. */
function addTexts(stretch: Uint8Array, code: DigitCode, readings: Uint8Array[]): void {
  const groups = Math.floor(stretch.length / 4);
  for (let group = 2; group < groups; group += 3) {
    if (!saysText(stretch, group)) continue;
    let from = group;
    while (from > 0 && saysText(stretch, from - 1)) from -= 1;
    let to = group + 1;
    while (to < groups && saysText(stretch, to)) to += 1;
    if (to - from >= 3) readings.push(decodeDigits(stretch.subarray(from * 4, to * 4), code));
    group = to - 1;
  }
}

function saysText(stretch: Uint8Array, group: number): boolean {
  const at = group * 4;
  const first = BASE64[stretch[at] ?? 0] ?? 0;
  const second = BASE64[stretch[at + 1] ?? 0] ?? 0;
  const third = BASE64[stretch[at + 2] ?? 0] ?? 0;
  return (first & 32) === 0 && (second & 8) === 0 && (third & 2) === 0;
}

const PERCENT = 37;
const AMPERSAND = 38;
const EQUALS = 61;
const BACKSLASH = 92;
const LONGEST_ESCAPE = 12;
const SIMPLE: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v' };
const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  lowbar: '_',
  hyphen: '-',
  period: '.',
  sol: '/',
  plus: '+',
  equals: '=',
  colon: ':',
};
const ESCAPE =
  /^(?:%u([0-9a-f]{4})|%([0-9a-f]{2})|\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\u([0-9a-f]{4})|\\u\{([0-9a-f]{1,6})\}|\\x([0-9a-f]{2})|\\([0-3][0-7]{2})|\\([^ux%&])|&#x([0-9a-f]{1,6});?|&#(\d{1,7});?|&([a-z]{2,6});)/i;

/** Null when there is no escape in it. */
function unescape(run: Uint8Array): Uint8Array | null {
  if (!run.includes(PERCENT) && !run.includes(BACKSLASH) && !run.includes(AMPERSAND)) return null;
  const bytes: number[] = [];
  let changed = false;
  for (let at = 0; at < run.length;) {
    const byte = run[at] ?? 0;
    const escape = isEscape(byte) ? escapeAt(run, at) : null;
    if (escape === null) {
      bytes.push(byte);
      at += 1;
    } else {
      for (const decoded of escape.bytes) bytes.push(decoded);
      at += escape.length;
      changed = true;
    }
  }
  return changed ? Uint8Array.from(bytes) : null;
}

const isEscape = (byte: number): boolean => byte === PERCENT || byte === BACKSLASH || byte === AMPERSAND;

function escapeAt(run: Uint8Array, at: number): { readonly bytes: Iterable<number>; readonly length: number } | null {
  const ahead = String.fromCharCode(...run.subarray(at, at + LONGEST_ESCAPE));
  const match = ESCAPE.exec(ahead);
  if (match === null) return null;
  const [whole, wide, percent, lead, trail, unicode, braced, byte, octal, simple, hex, decimal, named] = match;
  const single = percent ?? byte;
  if (single !== undefined) return { bytes: [Number.parseInt(single, 16)], length: whole.length };
  if (lead !== undefined && trail !== undefined) {
    const pair = String.fromCharCode(Number.parseInt(lead, 16), Number.parseInt(trail, 16));
    return { bytes: new TextEncoder().encode(pair), length: whole.length };
  }
  if (simple !== undefined) return { bytes: new TextEncoder().encode(SIMPLE[simple] ?? simple), length: whole.length };
  if (named !== undefined) {
    const text = NAMED[named.toLowerCase()];
    return text === undefined ? null : { bytes: new TextEncoder().encode(text), length: whole.length };
  }
  const digits = wide ?? unicode ?? braced ?? hex;
  const point =
    digits === undefined
      ? Number.parseInt(octal ?? decimal ?? '', octal === undefined ? 10 : 8)
      : Number.parseInt(digits, 16);
  if (!(point <= 0x10ffff)) return null;
  return { bytes: new TextEncoder().encode(String.fromCodePoint(point)), length: whole.length };
}

/** Mail's quoted-printable (RFC 2045, 6.7), where several bytes are written so: one `=` is nobody's escape. */
function unquote(run: Uint8Array): Uint8Array | null {
  const bytes: number[] = [];
  let escapes = 0;
  for (let at = 0; at < run.length; at += 1) {
    const high = HEX[run[at + 1] ?? 0] ?? -1;
    const low = HEX[run[at + 2] ?? 0] ?? -1;
    if (run[at] === EQUALS && high !== -1 && low !== -1) {
      bytes.push(high * 16 + low);
      escapes += 1;
      at += 2;
    } else {
      bytes.push(run[at] ?? 0);
    }
  }
  return escapes >= 2 ? Uint8Array.from(bytes) : null;
}
