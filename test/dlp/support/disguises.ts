/** What an agent may do to a value before it sends it. Each is undone by anybody who expects it. */
const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');
const each = (text: string, map: (character: string, index: number) => string): string =>
  Array.from(text, map).join('');
const bytesOf = (text: string, write: (hex: string, index: number) => string): string =>
  Array.from(utf8(text), (byte, index) => write(byte.toString(16).padStart(2, '0'), index)).join('');
const hexOf = (character: string, width: number): string =>
  (character.codePointAt(0) ?? 0).toString(16).padStart(width, '0');

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
export function base32(text: string): string {
  let bits = '';
  for (const byte of utf8(text)) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32.charAt(Number.parseInt(five.padEnd(5, '0'), 2))).join('');
}

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  a: 'а',
  e: 'е',
  o: 'о',
  p: 'р',
  c: 'с',
  x: 'х',
  A: 'А',
  B: 'В',
  E: 'Е',
};

export type Disguise = readonly [name: string, apply: (text: string) => string];

/** One layer each. */
export const ENCODINGS: readonly Disguise[] = [
  ['percent', (text) => bytesOf(text, (hex) => `%${hex}`)],
  [
    'percent of every other',
    (text) => each(text, (character, at) => (at % 2 === 0 ? character : bytesOf(character, (hex) => `%${hex}`))),
  ],
  ['base64', (text) => utf8(text).toString('base64')],
  ['base64 shifted', (text) => utf8(`x${text}`).toString('base64')],
  ['base64 shifted twice', (text) => utf8(`xy${text}`).toString('base64')],
  ['base64url', (text) => utf8(text).toString('base64url')],
  ['hex', (text) => utf8(text).toString('hex')],
  ['hex in capitals', (text) => utf8(text).toString('hex').toUpperCase()],
  ['base32', base32],
  ['base32 in small letters', (text) => base32(text).toLowerCase()],
  ['JSON escapes', (text) => text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)],
  ['string escapes', (text) => bytesOf(text, (hex) => `\\x${hex}`)],
  ['HTML entities', (text) => each(text, (character) => `&#${String(character.codePointAt(0))};`)],
  ['HTML entities in hex', (text) => each(text, (character) => `&#x${hexOf(character, 2)};`)],
];

export const SHAPES: readonly Disguise[] = [
  ['as it is', (text) => text],
  ['reversed', (text) => Array.from(text).reverse().join('')],
  ['dashes between', (text) => Array.from(text).join('-')],
  ['spaces between', (text) => Array.from(text).join(' ')],
  ['line ends between', (text) => Array.from(text).join('\n')],
  ['dots every four', (text) => text.replace(/.{4}/gs, '$&.')],
  ['zero-width between', (text) => Array.from(text).join('\u200b')],
  ['zero-width joiners every three', (text) => text.replace(/.{3}/gs, '$&\u2060')],
  ['combining marks', (text) => each(text, (character) => `${character}\u0336`)],
  [
    'full-width',
    (text) => text.replace(/[!-~]/g, (character) => String.fromCharCode(character.charCodeAt(0) + 0xfee0)),
  ],
  ['look-alikes', (text) => each(text, (character) => LOOK_ALIKES[character] ?? character)],
  ['right to left', (text) => `\u202e${text}\u202c`],
  [
    'mathematical letters',
    (text) =>
      each(text, (character) =>
        /[a-z]/.test(character) ? String.fromCodePoint(0x1d41a + character.charCodeAt(0) - 97) : character,
      ),
  ],
  ['tag characters', (text) => each(text, (character) => String.fromCodePoint(0xe0000 + character.charCodeAt(0)))],
  ['UTF-16', (text) => each(text, (character) => `${character}\0`)],
  [
    'hex with colons',
    (text) =>
      utf8(text)
        .toString('hex')
        .replace(/..(?=.)/g, '$&:'),
  ],
  [
    'hex with spaces',
    (text) =>
      utf8(text)
        .toString('hex')
        .toUpperCase()
        .replace(/..(?=.)/g, '$& '),
  ],
  ['base64 in lines', (text) => utf8(text).toString('base64').replace(/.{16}/g, '$&\r\n')],
];

/** Where in a request it stands. */
export const PLACES: readonly Disguise[] = [
  ['alone', (text) => text],
  ['JSON field', (text) => JSON.stringify({ model: 'm', messages: [{ role: 'user', content: text }] })],
  ['form field', (text) => `a=1&note=${encodeURIComponent(text)}&b=2`],
  ['path', (text) => `/v1/things/${encodeURIComponent(text)}/more?x=1`],
  ['header', (text) => `x-note: ${text}`],
  ['XML element', (text) => `<a><b kind="x">${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</b></a>`],
  ['multipart', (text) => `--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n${text}\r\n--b--\r\n`],
];
