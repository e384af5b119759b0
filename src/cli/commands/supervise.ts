import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../../kernel/errors.ts';
import { printable } from '../../kernel/render-error.ts';
import type { Answered, ProposalView } from '../../schema/inbox.ts';
import { Folding, type Alarm } from '../../supervise/folding.ts';
import { alertOf, detailLines, field, listRow, SCOPE_WORDS, shortId } from '../../supervise/present.ts';
import { askLine, confirm } from '../ask.ts';
import type { CliContext } from '../context.ts';
import { findProposal, readInbox, sendAnswer, sendUndo, type OpenInbox } from '../inbox.ts';
import {
  ApproveOptionsSchema,
  RejectOptionsSchema,
  SuperviseListOptionsSchema,
  SuperviseOptionsSchema,
  UndoOptionsSchema,
} from '../options.ts';
import { table } from '../terminal.ts';

/** The operator's inbox (REFERENCE 8): what agents ask, and the answers, by single commands and as a watch. */
export async function superviseList(context: CliContext, raw: Record<string, unknown>): Promise<number> {
  const { json, all } = SuperviseListOptionsSchema.parse(raw);
  const inbox = await readInbox(context);
  showInbox(context, all ? inbox : { ...inbox, proposals: inbox.proposals.filter(isPending) }, json);
  return 0;
}

const isPending = ({ status }: ProposalView): boolean => status === 'pending';

function showInbox({ terminal }: CliContext, { proposals, reports, bottles }: OpenInbox, json: boolean): void {
  if (json) {
    terminal.result(JSON.stringify(proposals));
    return;
  }
  if (proposals.length === 0) terminal.say(`nothing waits for an answer (${String(bottles)} bottles may ask)`);
  else terminal.result(table(proposals.map((view) => listRow(view, Date.now()))));
  for (const { at, slug, text } of reports) terminal.say(`${at}  ${slug} notes: ${field(text)}`);
}

export async function superviseShow(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const { json } = UndoOptionsSchema.parse(raw);
  const view = findProposal((await readInbox(context)).proposals, id);
  if (json) context.terminal.result(JSON.stringify(view));
  else for (const line of detailText(view)) context.terminal.result(line);
  return 0;
}

function detailText(view: ProposalView): readonly string[] {
  const head = `${shortId(view.id)}  ${view.slug}  ${view.status}  ${view.risk}  ${field(view.title)}`;
  const lines = detailLines(view).map(({ label, text }) => `  ${label.padEnd(14)} ${text}`);
  return [head, ...lines, `  ${'Digest'.padEnd(14)} ${view.digest} (policy ${String(view.impact.generation)})`];
}

/** What is approved is what was shown: on a terminal here and now, in a script by its digest (SECURITY S33). */
export async function superviseApprove(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const { scope, narrow, note, digest, host, json } = ApproveOptionsSchema.parse(raw);
  const view = findProposal((await readInbox(context)).proposals, id);
  const seen = digest ?? (await shownAndAgreed(context, view, 'Allow it'));
  await hostTyped(context, view, host ?? null);
  const answered = await sendAnswer(context, view.slug, {
    verdict: 'approve',
    id: view.id,
    digest: seen,
    scope,
    narrower: narrow ?? null,
    granted: null,
    note,
  });
  tellAnswer(context, answered, json, `allowed for ${SCOPE_WORDS[scope]}, in force`);
  return 0;
}

export async function superviseReject(
  context: CliContext,
  ids: readonly string[],
  raw: Record<string, unknown>,
): Promise<number> {
  const { note, all, json } = RejectOptionsSchema.parse(raw);
  const { proposals } = await readInbox(context);
  if (all === ids.length > 0) {
    throw new BottleError('usage', {
      message: all ? 'either --all or ids, not both' : 'reject which?',
      hint: 'bot-bottle supervise list',
    });
  }
  // A no needs no look: it opens nothing, whatever it was.
  const views = all ? proposals.filter(isPending) : ids.map((id) => findProposal(proposals, id));
  for (const { id, slug, digest } of views) {
    tellAnswer(context, await sendAnswer(context, slug, { verdict: 'reject', id, digest, note }), json, 'rejected');
  }
  return 0;
}

export async function superviseUndo(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const { json } = UndoOptionsSchema.parse(raw);
  const view = findProposal((await readInbox(context)).proposals, id);
  tellAnswer(context, await sendUndo(context, view), json, 'taken back');
  return 0;
}

function tellAnswer({ terminal }: CliContext, { proposal, generation }: Answered, json: boolean, what: string): void {
  if (json) terminal.result(JSON.stringify({ ...proposal, generation }));
  else
    terminal.say(
      `${shortId(proposal.id)}  ${proposal.slug}  ${what} (policy ${String(generation)}): ${field(proposal.title)}`,
    );
}

/** Shows it and asks; answers the digest of what was shown. */
async function shownAndAgreed(context: CliContext, view: ProposalView, question: string): Promise<string> {
  if (!context.interactive) {
    throw new BottleError('usage', {
      message: 'say which proposal you have seen: --digest, as `supervise show` and `supervise list --json` give it',
      hint: `bot-bottle supervise show ${shortId(view.id)}`,
    });
  }
  for (const line of detailText(view)) context.terminal.say(line);
  if (await confirm(`${question}?`, context.stopRequested)) return view.digest;
  throw new BottleError('cancelled', { message: 'nothing was answered', exitCode: 130 });
}

/** What widens far needs its host typed (SECURITY S34). */
async function hostTyped(context: CliContext, { impact, route }: ProposalView, given: string | null): Promise<void> {
  if (!impact.confirm) return;
  const typed =
    given ?? (context.interactive ? await askLine(`Type the host (${route.host})`, '', context.stopRequested) : null);
  if (typed === route.host) return;
  throw new BottleError('proposal_refused', {
    message: `this widens far (${impact.why}); it needs the host typed as it is shown`,
    hint: '--host, with the host as `supervise show` writes it',
  });
}

const WATCH_MS = 300;

/** Once, or until it is stopped: tells each new proposal, by a bell and a line, or by a command of the operator's. */
export async function superviseOnceOrWatch(context: CliContext, raw: Record<string, unknown>): Promise<number> {
  const { watch, once, exec, json } = SuperviseOptionsSchema.parse(raw);
  if (!watch && !once && !json && context.interactive && context.outputIsTerminal) {
    const { showInboxScreen } = await import('../inbox-screen.ts');
    await showInboxScreen(context);
    return 0;
  }
  if (!watch) {
    showInbox(context, await readInbox(context), json);
    return 0;
  }
  const folding = new Folding();
  while (!context.stopRequested.aborted) {
    const { proposals } = await readInbox(context);
    for (const alarm of folding.look(proposals.filter(isPending), Date.now()))
      raise(context, alarm, exec ?? null, json);
    await sleep(WATCH_MS, undefined, { signal: context.stopRequested }).catch((failure: unknown) => {
      if (!context.stopRequested.aborted) throw failure;
    });
  }
  return 0;
}

function raise({ terminal, environment }: CliContext, alarm: Alarm, exec: string | null, json: boolean): void {
  const message = alarm.kind === 'summary' ? { event: 'summary', count: alarm.count } : alertOf(alarm.view);
  const text = JSON.stringify(message);
  if (json) terminal.result(text);
  else if (alarm.kind === 'summary')
    terminal.result(`\u0007${String(alarm.count)} more proposals; bot-bottle supervise list`);
  else terminal.result(`\u0007${listRow(alarm.view, Date.now()).join('  ')}`);
  if (exec === null) return;
  const ran = spawnSync('/bin/sh', ['-c', exec], {
    input: `${text}\n`,
    env: environment,
    timeout: 30_000,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  if (ran.status === 0) return;
  const why = ran.error?.message ?? `exit ${String(ran.status ?? ran.signal)}`;
  terminal.say(printable(`--exec failed (${why}): ${ran.stderr.toString('utf8').slice(0, 200)}`));
}
