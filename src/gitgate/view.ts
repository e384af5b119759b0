import type { Advertisement } from '../protocol/git/advertisement.ts';
import type { Oid } from '../schema/git.ts';
import type { PushRules } from '../schema/git-gate.ts';

/** What the bottle sees of an upstream: branches, tags and notes, each under the name that it would push to. */
export interface GateView {
  /** By the bottle's name of the ref. */
  readonly refs: ReadonlyMap<string, Oid>;
  /** What the upstream calls each of them. */
  readonly names: ReadonlyMap<string, string>;
  /** As a ref of the bottle's; there may be none by that name yet. */
  readonly head: string;
}

const SHOWN = ['refs/heads/', 'refs/tags/', 'refs/notes/'];
const FIRST_BRANCH = 'refs/heads/main';

/**
 * Where branches land below one of the bottle's own (`landBelow`), those that it has pushed stand for the upstream's of
 * the same name: what was pushed is what is fetched.
 */
export function viewOf(advertisement: Advertisement, rules: Pick<PushRules, 'landBelow'>): GateView {
  const { landBelow } = rules;
  const refs = new Map<string, Oid>();
  const names = new Map<string, string>();
  const own: (readonly [string, string, Oid])[] = [];
  for (const [name, oid] of advertisement.refs) {
    if (!SHOWN.some((prefix) => name.startsWith(prefix))) continue;
    if (landBelow !== null && name.startsWith(landBelow)) {
      own.push([`refs/heads/${name.slice(landBelow.length)}`, name, oid]);
      continue;
    }
    refs.set(name, oid);
    names.set(name, name);
  }
  for (const [shown, name, oid] of own) {
    for (const other of refs.keys()) if (clash(shown, other)) refs.delete(other);
    refs.set(shown, oid);
    names.set(shown, name);
  }
  return { refs, names, head: headOf(advertisement, refs) };
}

/** `a` and `a/b` can't both be. */
function clash(one: string, other: string): boolean {
  return one !== other && (one.startsWith(`${other}/`) || other.startsWith(`${one}/`));
}

/** A checkout of the operator's may stand on no branch: then the branch that is where it stands, or the usual one. */
function headOf({ head, headOid }: Advertisement, refs: ReadonlyMap<string, Oid>): string {
  if (head !== null) return head;
  const branches = [...refs.keys()].filter((ref) => ref.startsWith('refs/heads/'));
  const there = branches.filter((ref) => refs.get(ref) === headOid);
  const usual = (candidates: readonly string[]): string | undefined =>
    candidates.find((ref) => ref === FIRST_BRANCH) ?? candidates.find((ref) => ref === 'refs/heads/master');
  return usual(there) ?? there[0] ?? usual(branches) ?? branches[0] ?? FIRST_BRANCH;
}
