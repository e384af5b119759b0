import { BACKEND_NAMES } from '../../schema/plan.ts';
import type { CliContext } from '../context.ts';
import { table } from '../terminal.ts';
import { builtBackend } from './backend-choice.ts';
import { checkMachine, type CheckRow } from './doctor-checks.ts';

interface BackendRow {
  readonly name: string;
  readonly available: boolean;
  readonly why: string;
  readonly fix: string | null;
}

/** `{"ok","backends":[…],"checks":[…]}`; exit 0 when a bottle can be started here. */
export async function doctor(context: CliContext, options: { readonly json: boolean }): Promise<number> {
  const backends = await backendRows(context);
  const checks = await checkMachine(context);
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

/** `✓` is well, `-` could be better, `✗` keeps bottles from starting; below the table, how to mend what is not well. */
function print(context: CliContext, backends: readonly BackendRow[], checks: readonly CheckRow[]): void {
  const rows = [
    ...backends.map(({ name, available, why, fix }) => ({ mark: available ? '✓' : '-', name, why, fix })),
    ...checks.map(({ name, ok, why, fix }) => ({ mark: !ok ? '✗' : fix === null ? '✓' : '-', name, why, fix })),
  ];
  context.terminal.result(table(rows.map(({ mark, name, why }) => [mark, name, why])));
  for (const { mark, name, fix } of rows)
    if (mark !== '✓' && fix !== null) context.terminal.result(`     ${name}: ${fix}`);
}
