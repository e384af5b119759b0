/**
 * A query under every depth of decoding, for rules that must hold however often a server decodes (HOTSPOTS H14).
 * Escapes become bytes, one character each; `+` becomes a space, as in forms.
 */
export interface Decodings {
  /** As sent first, then each round's outcome. */
  readonly texts: readonly string[];
  /** False when there were escapes left after the last round: no rule can be held against such a text. */
  readonly settled: boolean;
}

const ROUNDS = 6;

/** Without any of these there is nothing to decode. */
const ENCODED = /[+%\0]/;

export function decodings(text: string): Decodings {
  if (!ENCODED.test(text)) return { texts: [text], settled: true };
  const texts = [text];
  for (let last = text; texts.length <= ROUNDS;) {
    const decoded = decodeOnce(last);
    if (decoded === last) return { texts, settled: true };
    texts.push(decoded);
    last = decoded;
  }
  return { texts, settled: decodeOnce(texts.at(-1) ?? '') === texts.at(-1) };
}

/** Broken escapes stay as they are; `%uXXXX` is an escape to some servers; NUL is nothing to some. */
function decodeOnce(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%(?:u00)?([0-9A-Fa-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll('\0', '');
}

/** The names of parameters as some server may read them, under every decoding and every separator; lower case. */
export function parameterNames(decoded: Decodings): ReadonlySet<string> {
  return new Set(decoded.texts.flatMap((text) => text.split(/[&;?#]/).map(nameOfPair)));
}

/** Without space around it and without `[]`, `[0]` behind it. */
function nameOfPair(pair: string): string {
  const name = pair.split('=', 1)[0] ?? '';
  return name
    .trim()
    .toLowerCase()
    .replace(/(?:\[[^\]]*\])+$/, '');
}
