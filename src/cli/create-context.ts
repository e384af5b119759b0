import { getEventListeners } from 'node:events';
import { join } from 'node:path';
import { Secret } from '../kernel/secret.ts';
import { openManifests, loadSettings } from '../manifest/index.ts';
import { holdProgram, mixedInstallation, type HeldProgram } from '../platform/assets.ts';
import { hostFiles } from '../platform/files.ts';
import { readTextOrNull } from '../platform/processes.ts';
import { allocateUid } from '../platform/uid-lock.ts';
import type { SecretSource } from '../ports/secret-source.ts';
import { homePaths } from '../state/paths.ts';
import { HURRY_SIGNAL, type CliContext } from './context.ts';
import { openTerminal } from './terminal.ts';

export interface ProcessFacts {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly operatorHome: string;
  readonly userName: string;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** `--plain`. */
  readonly plain: boolean;
  readonly interactive: boolean;
}

const STARTED_OVER = 'BOT_BOTTLE_STARTED_OVER';
const STARTS = 10;

/** Nothing has been done yet: the same command again, by the program as it is now. */
function startOver(environment: ProcessFacts['environment']): never {
  const times = Number(environment[STARTED_OVER] ?? 0);
  if (times >= STARTS || process.execve === undefined) throw mixedInstallation();
  return process.execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    ...environment,
    [STARTED_OVER]: String(times + 1),
  });
}

/** A wrapper such as npx passes the terminal's signal on, which we have heard ourselves already. */
const SAME_PRESS_MS = 100;

export function createContext(facts: ProcessFacts): CliContext {
  const paths = homePaths(facts.environment);
  const stop = new AbortController();
  const hurry = new AbortController();
  watchSignals(stop, hurry);
  let program: HeldProgram | null = null;
  let settings: ReturnType<typeof loadSettings> | null = null;
  return {
    cwd: facts.cwd,
    operatorHome: facts.operatorHome,
    userName: facts.userName,
    environment: facts.environment,
    paths,
    terminal: openTerminal(facts),
    secrets: secretSource(facts.environment, facts.operatorHome),
    manifests: () => openManifests({ home: paths.home, cwd: facts.cwd, files: hostFiles(facts.operatorHome) }),
    settings: () => (settings ??= loadSettings(paths.home, hostFiles(facts.operatorHome))),
    program: () => (program ??= holdProgram() ?? startOver(facts.environment)),
    signalProcess: (pid, signal) => {
      process.kill(pid, signal);
    },
    interactive: facts.interactive,
    outputIsTerminal: facts.stdout.isTTY,
    stopRequested: stop.signal,
    hurryRequested: hurry.signal,
    allocateUid: process.getuid?.() === 0 ? () => Promise.resolve(allocateUid()) : null,
  };
}

function secretSource(environment: Readonly<Record<string, string | undefined>>, home: string): SecretSource {
  const read = (variable: string): Secret | null => {
    const value = environment[variable];
    return value === undefined || value === '' ? null : new Secret(variable, value);
  };
  return {
    hostVariable: read,
    file: (path) => {
      const text = readTextOrNull(path.startsWith('~/') ? join(home, path.slice(2)) : path);
      return text === null ? null : new Secret(path, text);
    },
    preparedAnswer: (name) => read(`BOT_BOTTLE_SECRET_${name}`),
  };
}

/**
 * Once stops in order, twice kills: the agent if there is one, and its bottle is put away as after any end; else this
 * process, and the boxes die with it. A third time ends this process whatever it does.
 */
function watchSignals(stop: AbortController, hurry: AbortController): void {
  let lastAt = -Infinity;
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    const again = now - lastAt < SAME_PRESS_MS;
    lastAt = now;
    if (!stop.signal.aborted) stop.abort(signal);
    else if (again) return;
    else if (!hurry.signal.aborted && getEventListeners(hurry.signal, 'abort').length > 0) hurry.abort(signal);
    else process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.on(HURRY_SIGNAL, () => {
    stop.abort(HURRY_SIGNAL);
    hurry.abort(HURRY_SIGNAL);
  });
}
