import type { BottleError } from './errors.ts';

/**
 * An operational failure as people read it (UX "An error"):
 *
 *     bottles/acme.md:12:9  egress.routes[1].matches[0].method
 *       unknown key "method"; did you mean "methods"?
 *           methods: [GET]
 *
 * Names in it may come from files that somebody else wrote, so nothing that steers a terminal gets through.
 */
export function renderError(failure: Pick<BottleError, 'message' | 'position' | 'key' | 'hint'>): string {
  const { position, key, hint } = failure;
  const place = position === undefined ? [] : [`${position.file}:${String(position.line)}:${String(position.column)}`];
  const header = [...place, ...(key === undefined ? [] : [key])].join('  ');
  const lines = [
    ...(header === '' ? [] : [printable(header)]),
    ...indented(failure.message, header === '' ? '' : '  '),
    ...(hint === undefined ? [] : indented(hint, '      ')),
  ];
  return lines.join('\n');
}

function indented(text: string, indent: string): readonly string[] {
  return text.split('\n').map((line) => `${indent}${printable(line)}`);
}

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, direction marks and overrides, lone surrogates: all
 * that could rewrite what is on the screen, spelled out as `\u{1b}`.
 */
const STEERING = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

export function printable(text: string): string {
  return text.replace(STEERING, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
