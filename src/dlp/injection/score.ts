import { FAMILIES } from './families.ts';
import { normaliseText, type NormalText } from './normalise.ts';

/** How sure it is that a text is written to turn a model: `high` is stopped, `medium` is told. */
export type InjectionLevel = 'none' | 'medium' | 'high';

export interface InjectionVerdict {
  readonly level: InjectionLevel;
  readonly score: number;
  /** Families that were met, in the order of their names. */
  readonly families: readonly string[];
}

const HIGH = 10;
const MEDIUM = 6;
/** A phrase that no reader of the page would see. */
const HIDDEN_WEIGHT = 5;
const TAGGED_WEIGHT = 10;
const BEACON_WEIGHT = 4;
/** Phrases of several families count together when they stand so near to each other. */
const NEAR = 1200;

/** Documents about attacks quote them: in quotes, code or tables, next to what they are called. */
const ABOUT =
  /\b(?:prompt[- ]injections?|injection attacks?|jailbreak(?:s|ing)?|adversarial|red[- ]team(?:ing)?|attackers?|malicious|exploit(?:s|ed)?|vulnerabilit(?:y|ies)|threat model|payloads?|detect(?:s|or|ion|ing)?|for example|such as|e\.g\.|known as|phrases? like|owasp|cve-\d)/g;
const QUOTES: readonly (readonly [open: string, close: string])[] = [
  ['"', '"'],
  ['\u201c', '\u201d'],
  ["'", "'"],
  ['«', '»'],
  ['/', '/'],
];
const IMAGE_BEACON =
  /!\[[^\]\n]{0,100}\]\(\s?https?:\/\/[^)\s]{1,300}[?&/=](?:[^)\s]{0,60})(?:\{\{?|\$\{|\[\[?|<)(?:[^)\n]{0,80})\)|<img\b[^>]{0,200}src\s?=\s?["']?https?:\/\/[^"'\s>]{1,300}(?:\{\{|\$\{|\[data|\[secret|<secret)/;

interface Met {
  readonly family: string;
  readonly weight: number;
  readonly at: number;
}

export function judgeInjection(raw: string): InjectionVerdict {
  const normal = normaliseText(raw);
  const shown = metIn(normal.text);
  const hidden = hiddenIn(normal);
  const families = [...new Set([...shown, ...hidden].map(({ family }) => family))].sort();
  const score = Math.max(bestOf(shown), bestOf(hidden), hidden.length > 0 ? bestOf([...shown, ...hidden]) : 0);
  return { level: score >= HIGH ? 'high' : score >= MEDIUM ? 'medium' : 'none', score, families };
}

function metIn(text: string): readonly Met[] {
  const met = FAMILIES.flatMap(({ id, weight, patterns }) =>
    patterns.flatMap((pattern) => {
      const match = pattern.exec(text);
      return match === null ? [] : [{ family: id, weight: weightAt(text, match, weight), at: match.index }];
    }),
  );
  const beacon = IMAGE_BEACON.exec(text);
  return beacon === null ? met : [...met, { family: 'image_beacon', weight: BEACON_WEIGHT, at: beacon.index }];
}

/** What is quoted where attacks are talked about is an example of one. */
function weightAt(text: string, match: RegExpExecArray, weight: number): number {
  const from = match.index;
  const to = from + match[0].length;
  const about = isAbout(text.slice(Math.max(0, from - 600), to + 600));
  const quoted = QUOTES.some(([open, close]) => isBetween(text, from, to, open, close));
  if (about) return quoted ? 0 : weight / 2;
  return quoted ? weight / 2 : weight;
}

/** One such word is chance; texts that are about it have several. */
function isAbout(text: string): boolean {
  return new Set(Array.from(text.matchAll(ABOUT), ([word]) => word)).size >= 2;
}

function isBetween(text: string, from: number, to: number, open: string, close: string): boolean {
  const before = text.slice(Math.max(0, from - 160), from);
  const after = text.slice(to, to + 160);
  const line = before.slice(before.lastIndexOf('\n') + 1);
  const end = after.indexOf('\n');
  const opened = line.lastIndexOf(open);
  if (opened === -1 || !after.slice(0, end === -1 ? undefined : end).includes(close)) return false;
  // The quotes of JSON and of attributes quote nothing: they hold the text itself.
  return !/[:,[{=]\s?$/.test(line.slice(0, opened));
}

/** A comment that orders a model about is written for models alone. */
function hiddenIn({ hidden, tagged }: NormalText): readonly Met[] {
  const met = hidden.flatMap((part) => {
    const inside = metIn(part).filter(({ weight }) => weight > 0);
    return inside.length === 0 ? [] : [...inside, { family: 'hidden_text', weight: HIDDEN_WEIGHT, at: 0 }];
  });
  if (tagged.replace(/[^a-z]/gi, '').length < 8) return met;
  return [...met, { family: 'unicode_tags', weight: TAGGED_WEIGHT, at: 0 }];
}

/** The most that families weigh together within reach of each other; each counts once. */
function bestOf(met: readonly Met[]): number {
  return met.reduce((best, { at }) => {
    const near = new Map<string, number>();
    for (const other of met) {
      if (other.at < at || other.at > at + NEAR) continue;
      near.set(other.family, Math.max(near.get(other.family) ?? 0, other.weight));
    }
    return Math.max(
      best,
      [...near.values()].reduce((sum, weight) => sum + weight, 0),
    );
  }, 0);
}
