/**
 * How often four bytes in a row come in what agents send: text, sources, JSON. A search that begins at rare ones has less
 * to look at. Counted in documentation and package sources, per 4 KB of them; what is not listed comes about once or less.
 */
const COMMON: readonly (readonly [times: number, blocks: string])[] = [
  [5, 'tion type ---- http ttps tps: s:// ps:/'],
  [3, 'code .com ptio cont test com/ inst able cess atio file sage onte node scri expo'],
  [
    2,
    'ithu gith thub nter sync inte essa nsta sion ssag sour mess ourc urce ault ript crip line data ther stan ampl nten',
  ],
  [
    1.5,
    'tent core cces tter time hook ctor conf atte pack user ting ance ore. serv ckag acka kage ount here work mode keys',
  ],
  [
    1,
    'entr base ight ress writ lass cord pass open deco ende tial asse .log agen erve word tory pres coun gent oken enti',
  ],
  [
    0.8,
    'face lice ters ning stom rout cust usto rati toke char acce stor rans rite odel e.co auth cket dent ecre cret tran',
  ],
  [
    0.6,
    'secr ntry ence onne ect. s.co trac conn term nnec chan ster nect tabl essi fast sign alle tree ocke odec arge tore',
  ],
  [
    0.4,
    'icen assi ecur ooks rver rity ervi ssio cens ense gram arti sent itte ansf disc ared vice gist ntia mail mark sist',
  ],
];
const ORDINARY = 0.1;
/** Capitals, digits and marks between letters. */
export const LEAST_COMMON = 0.01;
const INDENT = 8;
/** `://` and what comes after it. */
const SCHEME = 0.2;
const COLON = 58;
const SLASH = 47;

const times = new Map(COMMON.flatMap(([often, blocks]) => blocks.split(' ').map((block) => [block, often])));

const isLower = (byte: number): boolean => byte >= 97 && byte <= 122;
const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);

/** The first byte is the highest. */
export function commonnessOf(block: number): number {
  const bytes = [block >>> 24, (block >>> 16) & 255, (block >>> 8) & 255, block & 255];
  const known = times.get(String.fromCharCode(...bytes));
  if (known !== undefined) return known;
  if (bytes.filter(isSpace).length > 1) return INDENT;
  const [first, second, third] = bytes;
  if (first === COLON && second === SLASH && third === SLASH) return SCHEME;
  if (bytes.every((byte) => byte === first)) return 1;
  return bytes.every(isLower) ? ORDINARY : LEAST_COMMON;
}
