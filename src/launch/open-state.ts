import fs from 'node:fs';
import { BottleError } from '../kernel/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { BottlePlan } from '../schema/plan.ts';
import { writeBottleFile, type BottleFile, type BottleOrigin } from '../state/bottles.ts';
import { Journal } from '../state/journal.ts';
import { tryLock, type BottleLock } from '../state/lock.ts';
import { ensureOwnDirectory, ensurePrivateDirectory, type BottlePaths, type HomePaths } from '../state/paths.ts';

export interface StateOptions {
  readonly plan: BottlePlan;
  readonly paths: HomePaths;
  readonly clock: Clock;
  /** Kept with the state, for `resume`. */
  readonly origin: BottleOrigin | null;
  /** A preserved bottle goes on: its workspace and home are there already, and are the agent's. */
  readonly resumed: boolean;
}

export const RESUME_FAILED = { reason: 'a resume that failed', exitCode: null } as const;

export interface OpenState {
  readonly journal: Journal;
  readonly lock: BottleLock;
  readonly file: BottleFile;
  close(): void;
}

/** The slug is taken by making its directory; from then on the lock says that we live. */
export function openState(options: StateOptions, paths: BottlePaths): OpenState {
  const { plan } = options;
  ensureOwnDirectory(options.paths.home);
  ensurePrivateDirectory(options.paths.stateRoot);
  if (!options.resumed) takeName(paths, plan.slug);
  const lock = tryLock(paths.lock, 2_000);
  if (lock === null) throw new BottleError('bottle_busy', { message: `${plan.slug} is being cleaned up` });
  const journal = new Journal(paths.journal);
  journal.append({ step: 'state', detail: { directory: paths.root, launcherPid: process.pid } });
  const file: BottleFile = {
    version: 2,
    slug: plan.slug,
    agent: plan.agent,
    label: plan.label,
    backend: plan.backend,
    startedAt: options.clock.timestamp(),
    launcherPid: process.pid,
    services: [...plan.services],
    workspaceMode: plan.workspace.mode,
    preserved: null,
    agentStarted: false,
    origin: options.origin,
  };
  writeBottleFile(options.paths, file);
  return {
    journal,
    lock,
    file,
    close: () => {
      journal[Symbol.dispose]();
      lock[Symbol.dispose]();
    },
  };
}

/** The name is taken by making its directory, which one launch alone can do. */
function takeName(paths: BottlePaths, slug: string): void {
  try {
    fs.mkdirSync(paths.root, { mode: 0o711 });
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure && failure.code === 'EEXIST')) throw failure;
    throw new BottleError('bottle_busy', {
      message: `a bottle called ${slug} exists already`,
      hint: `bot-bottle list active`,
    });
  }
}
