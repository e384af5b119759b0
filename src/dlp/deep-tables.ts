import { buildMatcher, type Matcher } from './block-shift.ts';
import { patternsOf } from './encodings.ts';
import type { Finding, KnownValues } from './known-values.ts';
import { buildPieces, type Pieces } from './pieces.ts';
import { privateParts } from './private-parts.ts';
import { skeletonOf } from './skeleton.ts';

/** Letters and digits of a value below which it is not looked for by them alone. */
const SKELETON_CHARS = 12;

interface SkeletonOwner {
  readonly name: string;
  readonly rule: Finding['rule'];
}

/** What the known values of a bottle are looked for by, beyond their own encodings. */
export interface DeepTables {
  readonly pieces: Pieces;
  readonly skeletons: Matcher;
  /** By pattern of `skeletons`. */
  readonly owners: readonly SkeletonOwner[];
}

const tables = new WeakMap<KnownValues, DeepTables>();

/** Made when something is first looked through, once. */
export function deepTablesOf(known: KnownValues): DeepTables {
  const made = tables.get(known) ?? buildTables(known);
  tables.set(known, made);
  return made;
}

function buildTables({ values }: KnownValues): DeepTables {
  const patterns = values.flatMap(({ name, value, rule = 'known_secret' }) =>
    skeletonPatterns(value, rule).map((pattern) => ({ ...pattern, name, rule })),
  );
  return {
    pieces: buildPieces(values),
    skeletons: buildMatcher(patterns),
    owners: patterns.map(({ name, rule }) => ({ name, rule })),
  };
}

interface SkeletonPattern {
  readonly bytes: Uint8Array;
  readonly foldCase: boolean;
}

/** Pieces of twelve of what is secret in it, the whole of it in each encoding. */
function skeletonPatterns(value: string, rule: Finding['rule']): readonly SkeletonPattern[] {
  if (skeletonOf(value).length < SKELETON_CHARS) return [];
  const decoder = new TextDecoder();
  const forms = patternsOf(value).map(({ bytes, encoding }) => ({ text: skeletonOf(decoder.decode(bytes)), encoding }));
  // What a form or a document makes of a value's own `&` has letters too.
  const written = [value.replaceAll('&', '&amp;').replaceAll('<', '&lt;'), encodeURIComponent(value.toWellFormed())];
  const exact = new Set([
    ...written.map(skeletonOf),
    ...forms.flatMap(({ text, encoding }) => (encoding === 'hex' ? [] : [text])),
    ...(rule === 'known_secret' ? privateParts(value).flatMap((part) => runsOf(skeletonOf(part))) : []),
  ]);
  const folded = new Set(forms.flatMap(({ text, encoding }) => (encoding === 'hex' ? [text] : [])));
  const encoder = new TextEncoder();
  return [
    ...[...exact].map((text) => ({ bytes: encoder.encode(text), foldCase: false })),
    ...[...folded].map((text) => ({ bytes: encoder.encode(text), foldCase: true })),
  ];
}

function runsOf(skeleton: string): readonly string[] {
  const count = Math.max(0, skeleton.length - SKELETON_CHARS + 1);
  return Array.from({ length: count }, (_, at) => skeleton.slice(at, at + SKELETON_CHARS));
}
