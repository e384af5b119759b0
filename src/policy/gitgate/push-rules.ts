import { isZero, type Oid, type RefCommand } from '../../schema/git.ts';
import type { PushRules } from '../../schema/git-gate.ts';
import { matchesRefGlob } from './ref-name.ts';

/**
 * Which refs a push may change, and how (REFERENCE 7). Decided before the pack is read, as far as that is known, and
 * again when the commits are there. A push is one act: one ref that is refused refuses all of them.
 */
export interface RefFacts {
  /** What the ref is now, as the bottle sees it; null where it is not there. */
  readonly current: Oid | null;
  /** The upstream's default branch, as a ref; null where it has none. */
  readonly defaultBranch: string | null;
  /** The upstream has no branch at all yet. */
  readonly empty: boolean;
  /** The new commit has the present one below it; null as long as the commits are not here. */
  readonly fastForward: boolean | null;
}

export type RefVerdict =
  | { readonly kind: 'allow' }
  /** Only the operator can say. */
  | { readonly kind: 'ask'; readonly reason: RefReason; readonly text: string }
  | { readonly kind: 'deny'; readonly reason: RefReason; readonly text: string };

export type RefReason =
  'stale' | 'ref_not_allowed' | 'delete_not_allowed' | 'force_not_allowed' | 'tag_not_allowed' | 'default_branch';

const ALLOW: RefVerdict = { kind: 'allow' };

/** The ref of the upstream that a ref of the bottle's stands for. */
export function landingRef(rules: PushRules, ref: string): string {
  if (rules.landBelow === null || !ref.startsWith('refs/heads/')) return ref;
  return `${rules.landBelow}${ref.slice('refs/heads/'.length)}`;
}

export function decideRef(rules: PushRules, facts: RefFacts, command: RefCommand): RefVerdict {
  const { ref } = command;
  const isTag = ref.startsWith('refs/tags/');
  if (isTag && !rules.allowTags) return deny('tag_not_allowed', 'tags are not pushed here (allow: [tags])');
  if (NEVER.some((prefix) => ref.startsWith(prefix)))
    return deny('ref_not_allowed', 'this part of refs/ is never pushed through here');
  if (!isTag && !isAllowed(rules, ref))
    return deny('ref_not_allowed', `only ${allowedText(rules)} may be pushed (push: [...])`);
  const known = isZero(command.old) ? null : command.old;
  if (known !== facts.current) return deny('stale', 'it has changed meanwhile; fetch first');
  if (isZero(command.new) && !rules.allowDelete)
    return deny('delete_not_allowed', 'refs are not deleted here (allow: [delete])');
  if (isForced(facts, command, isTag) && !rules.allowForce)
    return deny('force_not_allowed', 'it would lose what is there; rebase, or merge (allow: [force])');
  return decideDefault(rules, facts, ref);
}

/** Replacements change what other objects mean; the rest is the gate's own. */
const NEVER = ['refs/replace/', 'refs/upstream/', 'refs/bot-bottle/'];

function isAllowed(rules: PushRules, ref: string): boolean {
  return (rules.push ?? ['refs/heads/*']).some((glob) => matchesRefGlob(glob, ref));
}

function allowedText(rules: PushRules): string {
  return rules.push === null ? 'branches' : rules.push.length === 0 ? 'nothing' : rules.push.join(', ');
}

/** A tag that moves is forced whatever it moves to. */
function isForced(facts: RefFacts, { old, new: wanted }: RefCommand, isTag: boolean): boolean {
  if (isZero(old) || isZero(wanted)) return false;
  return isTag || facts.fastForward === false;
}

function decideDefault(rules: PushRules, { defaultBranch, empty }: RefFacts, ref: string): RefVerdict {
  const lands = landingRef(rules, ref);
  // Nobody waits on the first branch of an empty repository, and no forge has a default branch before it is there.
  if (empty || lands !== defaultBranch) return ALLOW;
  switch (rules.pushDefault) {
    case 'allow':
      return ALLOW;
    case 'deny':
      return deny('default_branch', "the upstream's default branch is not pushed to from here (push_default: deny)");
    case 'ask':
      return {
        kind: 'ask',
        reason: 'default_branch',
        text: "a push to the upstream's default branch needs the operator",
      };
  }
}

function deny(reason: RefReason, text: string): RefVerdict {
  return { kind: 'deny', reason, text };
}
