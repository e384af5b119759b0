import { matchesWildcard } from '../wildcard.ts';

/**
 * Names of refs, held to git's own rules (git-check-ref-format) and a few of ours: no name that reads as an option, none
 * that a terminal shows as another. Every refusal is a sentence's end: "refs/heads/-x …".
 */
const LONGEST = 512;

export function refProblem(ref: string): string | null {
  if (ref.length > LONGEST) return `is longer than ${LONGEST} characters`;
  if (!/^refs\/[^/]+\/./.test(ref)) return 'is not below refs/heads/, refs/tags/ or the like';
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffd]/u.test(ref)) return 'has characters that are not shown as they are';
  if (/[ ~^:?*[\\]/.test(ref)) return 'has a character that no ref may have';
  if (ref.includes('..')) return 'has ".." in it';
  if (ref.includes('@{')) return 'has "@{" in it';
  if (ref.endsWith('.')) return 'ends with a dot';
  return componentProblem(ref.split('/'));
}

function componentProblem(components: readonly string[]): string | null {
  for (const component of components) {
    if (component === '') return 'has an empty part';
    if (component.startsWith('.')) return 'has a part that begins with a dot';
    if (component.startsWith('-')) return 'has a part that looks like an option';
    if (component.endsWith('.lock')) return 'has a part that ends with .lock';
  }
  return null;
}

/** `*` is any run of characters, slashes too; a glob that is not below `refs/` is one of branches. */
export function matchesRefGlob(glob: string, ref: string): boolean {
  return matchesWildcard(glob.startsWith('refs/') ? glob : `refs/heads/${glob}`, ref);
}
