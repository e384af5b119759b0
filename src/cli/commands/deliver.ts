import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { printable } from '../../kernel/render-error.ts';
import { commitRest, deliverBranches, newBranches, type NewBranch } from '../../launch/branches.ts';
import {
  performDelivery,
  planDelivery,
  stageWork,
  type DeliveryAction,
  type DeliveryPlan,
} from '../../launch/delivery.ts';
import { lookAtWork, type Work } from '../../launch/work.ts';
import { runsOnOpen } from '../../policy/runs-on-open.ts';
import { confirm } from '../ask.ts';
import { systemClock } from '../../platform/clock.ts';
import { removeBottle } from '../../state/bottles.ts';
import { noteInHistory } from '../../state/history.ts';
import type { CliContext } from '../context.ts';
import { DeliverOptionsSchema, type DeliverOptions } from '../options.ts';
import { holdWork, type HeldWork } from './work-of.ts';

/**
 * Brings the work home: files to the directory the workspace was copied from, commits as a branch that nobody has
 * checked out. What the operator changed meanwhile is left as it is, and then the bottle is kept.
 */
export async function deliver(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const options = DeliverOptionsSchema.parse(raw);
  using held = holdWork(context, id);
  const target = targetOf(held, options);
  if (held.file.workspaceMode === 'clone') await commitRest(held.paths, `Work of ${held.slug} that was not committed`);
  const branches = await newBranches(held.paths, target);
  const work = await lookAtWork(held.paths);
  using staging = await stageWork(held.paths, held.file.workspaceMode === 'clone' ? NO_FILES : work);
  const plan = planDelivery(held.paths, held.file.workspaceMode === 'clone' ? NO_FILES : work, staging, target);
  if (plan.actions.length === 0 && branches.length === 0 && plan.conflicts.length === 0) {
    return nothingLeft(context, held, options);
  }
  if (!options.json) show(context, { plan, branches, work, held, target });
  if (!options.yes && !(await agreed(context))) return 1;
  performDelivery(plan, staging, target);
  const names = await deliverBranches(held.paths, target, branches, namer(held, branches, options));
  const done = plan.conflicts.length === 0;
  if (done) forget(context, held);
  report(context, { options, plan, names, done, held, target, work });
  return done ? 0 : 1;
}

const NO_FILES: Work = { changed: [], deleted: [], runsOnOpen: [] };

function targetOf({ slug, source, file }: HeldWork, { to }: DeliverOptions): string {
  const target = to === undefined ? source : path.resolve(to);
  if (target === null) {
    throw new BottleError('usage', {
      message: `${slug} was started without a directory, so it is not known where its work belongs`,
      hint: `bot-bottle deliver ${slug} --to DIR`,
    });
  }
  if (fs.statSync(target, { throwIfNoEntry: false })?.isDirectory() === true) return fs.realpathSync(target);
  throw new BottleError('workspace_invalid', {
    message: `${target} is not there${file.origin === null ? '' : ' any more'}`,
    hint: `bot-bottle deliver ${slug} --to DIR`,
  });
}

function nothingLeft(context: CliContext, held: HeldWork, options: DeliverOptions): number {
  forget(context, held);
  if (options.json)
    context.terminal.result(JSON.stringify({ slug: held.slug, written: [], deleted: [], branches: [] }));
  else context.terminal.result(`${held.slug} has nothing that is not home already; it is removed`);
  return 0;
}

function forget({ paths }: CliContext, { slug }: HeldWork): void {
  removeBottle(paths, slug);
  noteInHistory(paths.home, (history) => {
    history.end({ slug, outcome: 'delivered', exitCode: null, endedAt: systemClock.timestamp() });
  });
}

interface Shown {
  readonly plan: DeliveryPlan;
  readonly branches: readonly NewBranch[];
  readonly work: Work;
  readonly held: HeldWork;
  readonly target: string;
}

function show(context: CliContext, { plan, branches, held, target }: Shown): void {
  const { terminal } = context;
  terminal.say(`${held.slug} → ${target}`);
  for (const action of plan.actions) terminal.say(`  ${describe(action)}`);
  for (const { name, oid } of branches) terminal.say(`  branch   ${name} (${oid.slice(0, 8)})`);
  for (const name of plan.conflicts) terminal.say(`  ! left   ${printable(name)}: you changed it too`);
  const unasked = written(plan).filter((name) => runsOnOpen(name) !== null);
  for (const name of unasked)
    terminal.say(`  !! ${printable(name)} is run unasked by ${runsOnOpen(name)?.by ?? 'tools'}`);
}

function describe(action: DeliveryAction): string {
  return action.kind === 'delete' ? `delete   ${printable(action.path)}` : `write    ${printable(action.file.path)}`;
}

function written({ actions }: DeliveryPlan): readonly string[] {
  return actions.flatMap((action) =>
    action.kind === 'write' && action.file.kind !== 'directory' ? [action.file.path] : [],
  );
}

async function agreed(context: CliContext): Promise<boolean> {
  if (!context.interactive) {
    throw new BottleError('usage', { message: 'nobody can be asked here', hint: 'bot-bottle deliver SLUG --yes' });
  }
  return confirm('Do this?', context.stopRequested);
}

/** One branch has the bottle's name; several stand below it. */
function namer(held: HeldWork, branches: readonly NewBranch[], { branch }: DeliverOptions): (name: string) => string {
  const base = branch ?? `bot-bottle/${held.slug}`;
  return (name) => (branches.length === 1 ? base : `${base}/${name}`);
}

interface Reported extends Omit<Shown, 'branches'> {
  readonly options: DeliverOptions;
  readonly names: readonly string[];
  readonly done: boolean;
}

function report(context: CliContext, { options, plan, names, done, held }: Reported): void {
  const unasked = written(plan).filter((name) => runsOnOpen(name) !== null);
  if (options.json) {
    const deleted = plan.actions.flatMap((action) => (action.kind === 'delete' ? [action.path] : []));
    const shape = { slug: held.slug, written: written(plan), deleted, branches: names, conflicts: plan.conflicts };
    context.terminal.result(JSON.stringify({ ...shape, runsOnOpen: unasked, removed: done }));
    return;
  }
  for (const name of names) context.terminal.result(`branch ${name}:  git log ${name}`);
  context.terminal.result(
    done
      ? `${held.slug} is delivered and removed`
      : `${String(plan.conflicts.length)} file(s) were left, because you changed them too; ${held.slug} is kept:  bot-bottle diff ${held.slug}`,
  );
}
