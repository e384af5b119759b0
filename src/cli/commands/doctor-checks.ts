import fs from 'node:fs';
import path from 'node:path';
import { findProgram } from '../../bundle/host-facts.ts';
import { BottleError } from '../../kernel/errors.ts';
import { MiB } from '../../kernel/limits.ts';
import { planCleanup } from '../../launch/cleanup.ts';
import { sizeText, unenforced } from '../../policy/resources.ts';
import { historyProblem } from '../../state/history.ts';
import type { CliContext } from '../context.ts';
import { bubblewrap } from './backend-choice.ts';

/** One line of `doctor`. Not `ok`: no bottle can be started so. `ok` with a fix: something is worth mending. */
export interface CheckRow {
  readonly name: string;
  readonly ok: boolean;
  readonly why: string;
  readonly fix: string | null;
}

export async function checkMachine(context: CliContext): Promise<readonly CheckRow[]> {
  return [
    { name: 'node', ok: true, why: process.version, fix: null },
    program('git', 'for repositories inside bottles', 'git'),
    program('setsid', 'for agents on a terminal', 'util-linux'),
    ...(process.getuid?.() === 0
      ? ['setpriv', 'unshare', 'mount'].map((name) => program(name, 'for bottles that root starts', 'util-linux'))
      : []),
    entering(),
    browsers(),
    settings(context),
    home(context),
    space(context),
    orphans(context),
    history(context),
    await limits(context),
  ];
}

function program(name: string, what: string, from: string): CheckRow {
  const file = findProgram(name);
  return file === null
    ? { name, ok: false, why: `missing; needed ${what}`, fix: installing(from) }
    : { name, ok: true, why: file, fix: null };
}

const installing = (what: string): string => `install ${what} with your system's package manager`;

function entering(): CheckRow {
  const missing = ['nsenter', 'prlimit', 'setpriv'].filter((name) => findProgram(name) === null);
  return missing.length === 0
    ? { name: 'exec', ok: true, why: 'bottles that run can be looked into', fix: null }
    : {
        name: 'exec',
        ok: true,
        why: `${missing.join(', ')} missing; without it nobody can look into a bottle that runs`,
        fix: installing('util-linux'),
      };
}

function browsers(): CheckRow {
  const file = findProgram('certutil');
  return file === null
    ? {
        name: 'certutil',
        ok: true,
        why: 'missing; without it Chromium and its kin do not trust the gateway, all else does',
        fix: installing('libnss3-tools (nss-tools)'),
      }
    : { name: 'certutil', ok: true, why: file, fix: null };
}

function settings(context: CliContext): CheckRow {
  try {
    context.settings();
    return { name: 'settings', ok: true, why: 'settings.yml is valid, or there is none', fix: null };
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    return { name: 'settings', ok: false, why: failure.message, fix: failure.hint ?? null };
  }
}

function home({ paths: { home: directory } }: CliContext): CheckRow {
  const row = (ok: boolean, why: string, fix: string | null): CheckRow => ({ name: 'home', ok, why, fix });
  const facts = fs.lstatSync(directory, { throwIfNoEntry: false });
  if (facts === undefined) return row(true, `${directory} is made at the first start`, null);
  if (!facts.isDirectory()) return row(false, `${directory} is no directory`, `ls -ld ${directory}`);
  if (facts.uid !== process.getuid?.()) return row(false, `${directory} is not yours`, `ls -ld ${directory}`);
  if ((facts.mode & 0o022) !== 0) return row(false, `${directory} can be written by others`, `chmod go-w ${directory}`);
  return row(true, directory, null);
}

/** Below this a workspace hardly fits, and the gateway's record might not either. */
const LEAST_FREE = { bytes: 64 * MiB, comfortable: 1024 * MiB };

function space({ paths }: CliContext): CheckRow {
  const place = nearestExisting(paths.home);
  const { bavail, bsize } = fs.statfsSync(place);
  const free = bavail * bsize;
  const fix =
    free < LEAST_FREE.comfortable ? 'bot-bottle list active --all   (deliver what is kept, or clean it up)' : null;
  return { name: 'disk', ok: free >= LEAST_FREE.bytes, why: `${sizeText(free)} free in ${place}`, fix };
}

function nearestExisting(directory: string): string {
  return fs.existsSync(directory) ? directory : nearestExisting(path.dirname(directory));
}

function orphans({ paths }: CliContext): CheckRow {
  const left = planCleanup(paths, { preserved: false }).length;
  return left === 0
    ? { name: 'leftovers', ok: true, why: 'none', fix: null }
    : { name: 'leftovers', ok: true, why: `${String(left)} left by crashes`, fix: 'bot-bottle cleanup' };
}

function history({ paths }: CliContext): CheckRow {
  const problem = historyProblem(paths.home);
  return problem === null
    ? { name: 'history', ok: true, why: 'bot-bottle list ended   shows it', fix: null }
    : { name: 'history', ok: true, why: `can't be written: ${problem}`, fix: `move ${paths.home}/bot-bottle.db away` };
}

/** What this machine would not hold, each by name; a bottle that asks for it strictly is refused. */
async function limits(context: CliContext): Promise<CheckRow> {
  const support = await bubblewrap(context).limits();
  const everything = { memoryBytes: 1, pids: 1, cpus: 1, diskBytes: 1, strict: false };
  const weak = unenforced(everything, support).map(({ resource, why }) => `${resource} is ${why}`);
  const by = (resource: string, what: string): string =>
    what === 'none' ? `${resource} not at all` : `${resource} by ${what}`;
  const held = [
    by('memory', support.memory),
    by('processes', support.pids),
    by('cpus', support.cpus),
    by('disk', support.disk),
  ].join(', ');
  return { name: 'limits', ok: true, why: [held, ...weak].join('; '), fix: null };
}
