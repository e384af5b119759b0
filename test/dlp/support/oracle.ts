/**
 * The same questions answered the slow and obvious way, on the whole text at once and with Node's own encoders: what
 * the scanner is held against.
 */
export interface Spot {
  readonly name: string;
  readonly encoding: string;
  readonly start: number;
  readonly end: number;
}

/** A decoded text; byte `index` stands for the places from `edges[index]` up to `edges[index + 1]`. */
interface Decoding {
  readonly text: string;
  readonly edges: readonly number[];
  readonly decoded: readonly boolean[];
}

const plain = (text: string): Decoding => ({
  text,
  edges: Array.from({ length: text.length + 1 }, (_, index) => index),
  decoded: Array.from(text, () => false),
});

function percentDecoded({ text, edges }: Decoding): Decoding {
  const starts: number[] = [];
  const decoded: boolean[] = [];
  const plainText = text.replace(/%([0-9A-Fa-f]{2})|[^]/g, (whole, digits: string | undefined, at: number) => {
    starts.push(edges[at]!);
    decoded.push(digits !== undefined);
    return digits === undefined ? whole : String.fromCharCode(Number.parseInt(digits, 16));
  });
  return { text: plainText, edges: [...starts, edges[text.length]!], decoded };
}

/** Base64 of the value behind `before` bytes, without the characters that its neighbours decide. */
function base64Core(value: Buffer, before: number, encoding: 'base64' | 'base64url'): string {
  const padded = Buffer.concat([Buffer.alloc(before), value]);
  const text = padded.toString(encoding).replaceAll('=', '');
  return text.slice(Math.ceil((before * 8) / 6), Math.floor((padded.length * 8) / 6));
}

export interface Form {
  readonly encoding: 'raw' | 'base64' | 'hex' | 'reversed';
  readonly text: string;
}
export function formsOf(value: string): readonly Form[] {
  const bytes = Buffer.from(value, 'utf8');
  const base64 = (['base64', 'base64url'] as const).flatMap((kind) =>
    [0, 1, 2].map((before) => base64Core(bytes, before, kind)),
  );
  return [
    { encoding: 'raw', text: bytes.toString('latin1') },
    ...[...new Set(base64)].map((text) => ({ encoding: 'base64', text }) as const),
    { encoding: 'hex', text: bytes.toString('hex') },
    { encoding: 'reversed', text: Buffer.from(bytes).reverse().toString('latin1') },
  ];
}

export function findAll(values: readonly { name: string; value: string }[], text: string): readonly Spot[] {
  const once = percentDecoded(plain(text));
  const spots = [plain(text), once, percentDecoded(once)].flatMap((view, level) =>
    values.flatMap(({ name, value }) => formsOf(value).flatMap((form) => inView(view, level, name, form))),
  );
  return sortSpots(spots);
}

function inView({ text, edges, decoded }: Decoding, level: number, name: string, form: Form): readonly Spot[] {
  const searched = form.encoding === 'hex' ? text.replace(/[A-F]/g, (letter) => letter.toLowerCase()) : text;
  const spots: Spot[] = [];
  for (let at = searched.indexOf(form.text); at !== -1; at = searched.indexOf(form.text, at + 1)) {
    const to = at + form.text.length;
    if (level > 0 && !decoded.slice(at, to).includes(true)) continue;
    spots.push({ name, encoding: level > 0 ? 'percent' : form.encoding, start: edges[at]!, end: edges[to]! });
  }
  return spots;
}

export function sortSpots(spots: readonly Spot[]): readonly Spot[] {
  const key = ({ name, encoding, start, end }: Spot): string =>
    [String(end).padStart(8, '0'), String(start).padStart(8, '0'), name, encoding].join();
  return spots
    .map(({ name, encoding, start, end }) => ({ name, encoding, start, end }))
    .sort((left, right) => (key(left) < key(right) ? -1 : 1));
}

export const percent = (text: string): string =>
  Array.from(Buffer.from(text, 'latin1'), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
