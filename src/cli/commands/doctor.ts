import fs from 'node:fs';
import { findProgram } from '../../bundle/host-facts.ts';
import { BottleError } from '../../kernel/errors.ts';
import { unenforced } from '../../policy/resources.ts';
import { BACKEND_NAMES } from '../../schema/plan.ts';
import type { CliContext } from '../context.ts';
import { table } from '../terminal.ts';
import { bubblewrap, builtBackend } from './backend-choice.ts';

interface BackendRow {
  readonly name: string;
  readonly available: boolean;
  readonly why: string;
  readonly fix: string | null;
}
interface CheckRow {
  readonly name: string;
  readonly ok: boolean;
  readonly why: string;
  readonly fix: string | null;
}

/** `{"ok","backends":[…],"checks":[…]}`; exit 0 when a bottle can be started here. */
export async function doctor(context: CliContext, options: { readonly json: boolean }): Promise<number> {
  const backends = await backendRows(context);
  const checks = [
    node(),
    program('git', 'for repositories inside bottles'),
    ...settings(context),
    home(context),
    await limits(context),
  ];
  const ok = backends.some(({ available }) => available) && checks.every((check) => check.ok);
  if (options.json) context.terminal.result(JSON.stringify({ ok, backends, checks }));
  else print(context, backends, checks);
  return ok ? 0 : 1;
}

async function backendRows(context: CliContext): Promise<readonly BackendRow[]> {
  return await Promise.all(
    BACKEND_NAMES.map(async (name) => {
      const backend = builtBackend(context, name);
      if (backend === null) return { name, available: false, why: 'not built yet', fix: null };
      const probe = await backend.probe();
      return { name, available: probe.available, why: probe.why, fix: probe.available ? null : probe.fix };
    }),
  );
}

function node(): CheckRow {
  return { name: 'node', ok: true, why: process.version, fix: null };
}

function program(name: string, what: string): CheckRow {
  const path = findProgram(name);
  return path === null
    ? { name, ok: false, why: `missing; needed ${what}`, fix: `install ${name} with your system's package manager` }
    : { name, ok: true, why: path, fix: null };
}

function settings(context: CliContext): readonly CheckRow[] {
  try {
    context.settings();
    return [{ name: 'settings', ok: true, why: 'settings.yml is valid, or there is none', fix: null }];
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    return [{ name: 'settings', ok: false, why: failure.message, fix: failure.hint ?? null }];
  }
}

function home(context: CliContext): CheckRow {
  const { home: directory } = context.paths;
  if (!fs.existsSync(directory))
    return { name: 'home', ok: true, why: `${directory} is made at the first start`, fix: null };
  const facts = fs.statSync(directory);
  const open = (facts.mode & 0o022) !== 0;
  return open
    ? { name: 'home', ok: false, why: `${directory} can be written by others`, fix: `chmod go-w ${directory}` }
    : { name: 'home', ok: true, why: directory, fix: null };
}

/** What this machine would not hold, each by name; a bottle that asks for it strictly is refused. */
async function limits(context: CliContext): Promise<CheckRow> {
  const support = await bubblewrap(context).limits();
  const everything = { memoryBytes: 1, pids: 1, cpus: 1, diskBytes: 1, strict: false };
  const weak = unenforced(everything, support).map(({ resource, why }) => `${resource} is ${why}`);
  const held = `memory by ${support.memory}, processes by ${support.pids}, cpus by ${support.cpus}, disk by ${support.disk}`;
  return { name: 'limits', ok: true, why: [held, ...weak].join('; '), fix: null };
}

function print(context: CliContext, backends: readonly BackendRow[], checks: readonly CheckRow[]): void {
  const rows = [
    ...backends.map(({ name, available, why, fix }) => [available ? '✓' : '-', name, why, fix]),
    ...checks.map(({ name, ok, why, fix }) => [ok ? '✓' : '✗', name, why, fix]),
  ];
  context.terminal.result(table(rows.map(([mark, name, why]) => [mark ?? '', name ?? '', why ?? ''])));
  for (const [mark, , , fix] of rows)
    if (mark !== '✓' && typeof fix === 'string') context.terminal.result(`     fix: ${fix}`);
}
