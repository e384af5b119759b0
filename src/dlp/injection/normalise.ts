import { unescapeBytes } from '../escapes.ts';
import { foldLetters } from '../skeleton.ts';

/** What a text says to a model, and which parts of it no reader of the page would see. */
export interface NormalText {
  readonly text: string;
  /** Parts in comments, in elements that are not shown, in attributes, in Unicode's tags. */
  readonly hidden: readonly string[];
  /** Characters of the tag block, decoded: nobody writes them by accident. */
  readonly tagged: string;
}

/** Invisible: soft hyphen, zero-width characters, marks of direction, variation selectors, fillers. */
const INVISIBLE =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]/g;
const COMMENT = /<!--([^]{4,8000}?)-->/g;
const UNSHOWN =
  /<(\w{1,20})\b[^>]{0,400}(?:\bhidden\b(?!\s*=\s*["']?(?:false|no))|aria-hidden\s*=\s*["']?true|display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0+)?\s*[;"']|font-size\s*:\s*0(?:px|em|pt|%)?\s*[;"']|(?:left|top|text-indent)\s*:\s*-\d{3,6}(?:px|em)|(?:width|height)\s*:\s*0(?:px)?\s*[;"']|color\s*:\s*(?:white|#fff(?:fff)?|transparent)\b)[^>]{0,400}>([^]{4,8000}?)<\/\1/gi;
const ATTRIBUTE =
  /\b(?:alt|title|aria-label|data-[\w-]{1,30}|content|placeholder)\s*=\s*(?:"([^"]{24,2000})"|'([^']{24,2000})')/gi;
/** RFC-less but everywhere: markdown's link definitions that are comments. */
const MARKDOWN_COMMENT = /^\[(?:\/\/|comment|_)\]:\s*(?:#|<>)\s*[("']([^\n]{4,2000})[)"']\s*$/gim;

export function normaliseText(raw: string): NormalText {
  const shown = raw.includes('\\') || raw.includes('&') ? unescaped(raw) : raw;
  const { text, tagged } = takeTags(shown);
  const hidden = [
    ...allOf(text, COMMENT, 1),
    ...allOf(text, UNSHOWN, 2),
    ...allOf(text, ATTRIBUTE, 1, 2),
    ...allOf(text, MARKDOWN_COMMENT, 1),
    ...(tagged === '' ? [] : [tagged]),
  ];
  return { text: plain(text), hidden: hidden.map(plain), tagged };
}

function unescaped(text: string): string {
  const bytes = unescapeBytes(new TextEncoder().encode(text));
  return bytes === null ? text : new TextDecoder().decode(bytes);
}

function allOf(text: string, pattern: RegExp, ...groups: readonly number[]): readonly string[] {
  return [...text.matchAll(pattern)].map((match) => groups.map((group) => match[group] ?? '').join(''));
}

/** One kind of space, line ends kept, small letters, look-alikes read as what they look like. */
function plain(text: string): string {
  return foldLetters(text.normalize('NFKC').replace(INVISIBLE, ''))
    .toLowerCase()
    .replace(/[\u2018\u2019\u02bc`´]/g, "'")
    .replace(/\r\n?/g, '\n')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/(?<!\n) ?\n ?(?!\n|[-*#>|`\d]|system|developer)/g, ' ');
}

const TAGS = 0xe0000;
const BLACK_FLAG = 0x1f3f4;

/** Flags of regions are written with tags too: a black flag, a few letters, and the tag that ends it. */
function takeTags(text: string): { readonly text: string; readonly tagged: string } {
  if (!text.includes('\udb40')) return { text, tagged: '' };
  let rest = '';
  let tagged = '';
  let inFlag = false;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    const isTag = point >= TAGS && point < TAGS + 128;
    if (!isTag) {
      inFlag = point === BLACK_FLAG;
      rest += character;
    } else if (!inFlag) {
      tagged += String.fromCharCode(point - TAGS);
    }
  }
  return { text: rest, tagged: tagged.replace(/[^\x20-\x7e]/g, '') };
}
