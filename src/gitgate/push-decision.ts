import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { count, findingLines, plainLine, summaryLine, type PushFinding } from '../policy/gitgate/findings-text.ts';
import { decideRef, landingRef, type RefFacts } from '../policy/gitgate/push-rules.ts';
import { isZero, type RefCommand } from '../schema/git.ts';
import type { PushRecord } from '../schema/git-gate.ts';
import { forwardPush } from './forward.ts';
import type { GateCore } from './gate.ts';
import type { Mirror, Synced } from './mirror.ts';
import { isFastForward, reviewPush, type Review } from './review.ts';
import { scanPush, type Scanned } from './scan/scan.ts';

/** What became of a push: by ref, null is done. A push is one act, so either all of them are null or none is. */
export interface PushOutcome {
  readonly refs: ReadonlyMap<string, string | null>;
}

export interface PushParts {
  readonly core: GateCore;
  readonly mirror: Mirror;
  readonly synced: Synced;
  readonly commands: readonly RefCommand[];
  /** The pusher has gone. */
  readonly signal: AbortSignal;
  /** A line for the pusher. */
  readonly say: (line: string) => void;
  /** From here on the push is sent on, whether or not the pusher stays. */
  readonly onForward: () => void;
}

interface Refusal {
  readonly reason: string;
  /** What stands behind each ref; a ref that is all right itself says that another was not. */
  readonly refs: ReadonlyMap<string, string | null>;
}

/** As far as the refs alone tell, before any object has come. */
export async function decideEarly(parts: PushParts): Promise<PushOutcome | null> {
  const refusal = await judgeRefs(parts, new Map());
  if (refusal === null) return null;
  await record(parts, 'push-decided', refusal.reason, refusal.refs, null, []);
  return { refs: refusal.refs };
}

/** With the objects in quarantine: rules, scan, review, record, forward. */
export async function decidePush(parts: PushParts, env: Readonly<Record<string, string>>): Promise<PushOutcome> {
  const { core, mirror, commands, say } = parts;
  const listFile = join(core.lists, `${core.random.base36(12)}.list`);
  const { directory } = mirror;
  try {
    const forwards = new Map<string, boolean>();
    for (const command of commands.filter((candidate) => !isZero(candidate.old) && !isZero(candidate.new)))
      forwards.set(command.ref, await isFastForward({ directory, env }, command));
    const rules = await judgeRefs(parts, forwards);
    if (rules !== null) return await refuse(parts, rules, null, []);
    const startedAt = core.clock.monotonic();
    const scanning = scanPush({
      directory,
      env,
      commands,
      present: [...parts.synced.view.refs.values()],
      screen: core.screen,
      listFile,
      signal: parts.signal,
      onProgress: (objects) => {
        say(`bot-bottle has scanned ${count(objects, 'object')} so far`);
      },
    });
    const [scanned, review] = await Promise.all([scanning, reviewPush(reviewParts(parts, env))]);
    const { commits, objects } = scanned;
    say(summaryLine({ commits, objects, seconds: (core.clock.monotonic() - startedAt) / 1000 }));
    const findings = [...scanned.findings, ...review.findings];
    if (findings.length > 0) {
      for (const line of findingLines(findings)) say(line);
      return await refuse(
        parts,
        { reason: 'findings', refs: allRefs(parts, count(findings.length, 'finding')) },
        scanned,
        findings,
      );
    }
    const unapproved = await judgeReview(parts, review);
    if (unapproved !== null) return await refuse(parts, unapproved, scanned, []);
    return await forward(parts, env, listFile, scanned);
  } finally {
    rmSync(listFile, { force: true });
  }
}

async function judgeRefs(parts: PushParts, forwards: ReadonlyMap<string, boolean>): Promise<Refusal | null> {
  const { synced, mirror, commands, core } = parts;
  const { rules, name } = mirror.repo;
  const refused = new Map<string, string>();
  let reason = '';
  for (const command of commands) {
    const verdict = decideRef(rules, factsOf(synced, command, forwards), command);
    let why: string | null = verdict.kind === 'deny' ? verdict.text : null;
    if (verdict.kind === 'ask') {
      const answer = await core.ask({ repo: name, text: `push ${command.ref}: ${verdict.text}` });
      why = answer.approved ? null : `${verdict.text}: ${answer.text}`;
    }
    if (verdict.kind === 'allow' && isForeignDelete(parts, command)) why = "it is the upstream's own, and stays there";
    if (why === null) continue;
    reason ||= verdict.kind === 'allow' ? 'ref_not_allowed' : verdict.reason;
    refused.set(command.ref, why);
    parts.say(plainLine(`  refused  ${command.ref}: ${why}`));
  }
  if (refused.size === 0) return null;
  const others = 'another ref of this push was refused';
  return { reason, refs: new Map(commands.map(({ ref }) => [ref, shorten(refused.get(ref) ?? others)])) };
}

/** A branch that was never pushed from here does not land anywhere, so there is nothing to delete. */
function isForeignDelete({ mirror, synced }: PushParts, command: RefCommand): boolean {
  return isZero(command.new) && !synced.advertisement.refs.has(landingRef(mirror.repo.rules, command.ref));
}

function factsOf(
  { advertisement, view }: Synced,
  { ref }: RefCommand,
  forwards: ReadonlyMap<string, boolean>,
): RefFacts {
  return {
    current: view.refs.get(ref) ?? null,
    defaultBranch: advertisement.head ?? (view.refs.has(view.head) ? (view.names.get(view.head) ?? null) : null),
    empty: view.refs.size === 0,
    fastForward: forwards.get(ref) ?? null,
  };
}

/** What git prints behind the ref: the first part of it. */
function shorten(why: string): string {
  return plainLine(why.length > 120 ? `${why.slice(0, 117)}...` : why);
}

function reviewParts(
  { mirror, synced, commands }: PushParts,
  env: Readonly<Record<string, string>>,
): Parameters<typeof reviewPush>[0] {
  const { view } = synced;
  return {
    directory: mirror.directory,
    env,
    format: mirror.format,
    rules: mirror.repo.rules,
    commands,
    defaultOid: view.refs.get(view.head) ?? null,
    hasCi: mirror.repo.upstream.kind !== 'local',
  };
}

const PATHS_SHOWN = 10;

async function judgeReview(parts: PushParts, { protectedPaths, startsCi }: Review): Promise<Refusal | null> {
  const { core, mirror, say } = parts;
  const { name, rules } = mirror.repo;
  if (startsCi && rules.pushCi === 'warn')
    say('  note     the upstream may run CI on what is pushed, with its own credentials');
  if (startsCi && rules.pushCi === 'deny') {
    say('  refused  what is pushed has CI definitions, which the upstream would run (push_ci: deny)');
    return { reason: 'push_ci', refs: allRefs(parts, 'it would start CI') };
  }
  if (startsCi && rules.pushCi === 'ask') {
    const answer = await core.ask({ repo: name, text: 'the push may start CI' });
    if (!answer.approved) {
      say(`  refused  the push may start CI, which needs the operator: ${answer.text}`);
      return { reason: 'push_ci', refs: allRefs(parts, 'it would start CI') };
    }
  }
  if (protectedPaths.length === 0) return null;
  const answer = await core.ask({ repo: name, text: protectedPaths.map(({ path }) => path).join('\n') });
  if (answer.approved) return null;
  for (const { path, because } of protectedPaths.slice(0, PATHS_SHOWN))
    say(plainLine(`  refused  ${path}   protected: ${because}`));
  if (protectedPaths.length > PATHS_SHOWN) say(`  and ${protectedPaths.length - PATHS_SHOWN} more`);
  say(`Changes to protected paths need the operator: ${answer.text} (paths_protected).`);
  return {
    reason: 'paths_protected',
    refs: allRefs(parts, `${count(protectedPaths.length, 'protected path')} changed`),
  };
}

async function refuse(
  parts: PushParts,
  refusal: Refusal,
  scanned: Scanned | null,
  findings: readonly PushFinding[],
): Promise<PushOutcome> {
  await record(parts, 'push-decided', refusal.reason, refusal.refs, scanned, findings);
  return { refs: refusal.refs };
}

/** Recorded and on the disk before the first byte goes (SECURITY S29, G-RECORD). */
async function forward(
  parts: PushParts,
  env: Readonly<Record<string, string>>,
  listFile: string,
  scanned: Scanned,
): Promise<PushOutcome> {
  const { core, mirror, synced, commands, say } = parts;
  const done = allRefs(parts, null);
  if (!(await record(parts, 'push-decided', 'allowed', done, scanned, []))) {
    say('  refused  the decision could not be recorded, so nothing was sent');
    return { refs: allRefs(parts, 'it could not be recorded') };
  }
  if (parts.signal.aborted) return { refs: allRefs(parts, 'the pusher has gone') };
  parts.onForward();
  const { refs, words } = await forwardPush({ mirror, synced, env, commands, listFile, redact: core.redact });
  for (const word of words) say(word);
  const failed = [...refs.values()].some((why) => why !== null);
  if (!failed) for (const { ref } of commands) tellLanding(parts, ref);
  await record(parts, 'push-ended', failed ? 'upstream_refused' : 'allowed', refs, scanned, []);
  return { refs };
}

function tellLanding({ mirror, say }: PushParts, ref: string): void {
  const lands = landingRef(mirror.repo.rules, ref);
  say(plainLine(`  pushed   ${ref} to ${mirror.repo.url}${lands === ref ? '' : ` as ${lands}`}`));
}

function allRefs({ commands }: PushParts, why: string | null): ReadonlyMap<string, string | null> {
  return new Map(commands.map(({ ref }) => [ref, why]));
}

async function record(
  { core, mirror, commands }: PushParts,
  event: PushRecord['event'],
  reason: string,
  refs: ReadonlyMap<string, string | null>,
  scanned: Scanned | null,
  findings: readonly PushFinding[],
): Promise<boolean> {
  const line: PushRecord = {
    event,
    time: core.clock.timestamp(),
    slug: core.slug,
    id: core.random.base36(8),
    repo: mirror.repo.name,
    refs: commands.map(({ ref, old, new: wanted }) => ({
      ref: core.redact(ref),
      lands: core.redact(landingRef(mirror.repo.rules, ref)),
      old,
      new: wanted,
      refused: refs.get(ref) ?? null,
    })),
    decision: [...refs.values()].every((why) => why === null) ? 'allow' : 'deny',
    reason,
    objects: scanned === null ? null : { count: scanned.objects, sha256: scanned.sha256, format: mirror.format },
    findings: findings.map(({ rule, place, commit }) => ({ rule, place: core.redact(place), commit })),
  };
  if (!core.sink.append(JSON.stringify(line)).ok) return false;
  await core.sink.flush();
  return true;
}
