import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { BottlePlan } from '../schema/plan.ts';
import { writeBottleFile, type BottleFile, type BottleOrigin } from '../state/bottles.ts';
import { noteInHistory } from '../state/history.ts';
import { Journal } from '../state/journal.ts';
import { tryLock, type BottleLock } from '../state/lock.ts';
import {
  ensureOwnDirectory,
  ensurePrivateDirectory,
  unnamedDirectory,
  type BottlePaths,
  type HomePaths,
} from '../state/paths.ts';

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

/** From the moment a bottle's directory has its name, the lock in it says that we live. */
export function openState(options: StateOptions, paths: BottlePaths): OpenState {
  const { plan } = options;
  ensureOwnDirectory(options.paths.home);
  ensurePrivateDirectory(options.paths.stateRoot);
  const lock = options.resumed ? tryLock(paths.lock, LOCK_WAIT_MS) : takeName(options, paths);
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
  noteInHistory(options.paths.home, (history) => {
    history.begin(file);
  });
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

const LOCK_WAIT_MS = 2_000;
/** `cleanup` can take away what was only just made, once; it can't be that unlucky so often. */
const ATTEMPTS = 5;

/**
 * The lock is taken in a directory without a name, which then gets its name in one step that one launch alone can do: at
 * no moment is there a bottle whose launcher does not hold its lock.
 */
function takeName({ plan, paths: home }: StateOptions, paths: BottlePaths): BottleLock {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const unnamed = unnamedDirectory(home);
    fs.mkdirSync(unnamed, { mode: 0o711 });
    const lock = tryLock(path.join(unnamed, path.basename(paths.lock)));
    if (lock === null) continue;
    try {
      fs.renameSync(unnamed, paths.root);
      return lock;
    } catch (failure) {
      lock[Symbol.dispose]();
      fs.rmSync(unnamed, { recursive: true, force: true });
      if (!(failure instanceof Error && 'code' in failure)) throw failure;
      if (failure.code === 'ENOTEMPTY' || failure.code === 'EEXIST') throw taken(plan.slug);
      if (failure.code !== 'ENOENT') throw failure;
    }
  }
  throw new BottleError('state_invalid', { message: `${home.stateRoot}: what is made there vanishes again` });
}

function taken(slug: string): BottleError {
  return new BottleError('bottle_busy', {
    message: `a bottle called ${slug} exists already`,
    hint: `bot-bottle list active`,
  });
}
