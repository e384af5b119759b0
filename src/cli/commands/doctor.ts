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
  const marks = context.terminal.plain ? MARKS.plain : MARKS.drawn;
  const rows = [
    ...backends.map(({ name, available, why, fix }) => ({
      mark: available ? marks.well : marks.better,
      name,
      why,
      fix,
    })),
    ...checks.map(({ name, ok, why, fix }) => ({
      mark: !ok ? marks.bad : fix === null ? marks.well : marks.better,
      name,
      why,
      fix,
    })),
  ];
  const width = Math.max(...rows.map(({ mark, name }) => BESIDE + mark.length + name.length));
  const columns = (context.terminal.output.columns() ?? Infinity) - width;
  context.terminal.result(
    table(
      rows.flatMap(({ mark, name, why }) =>
        wrapped(why, columns).map((line, index) => (index === 0 ? [mark, name, line] : ['', '', line])),
      ),
    ),
  );
  for (const { mark, name, fix } of rows)
    if (mark !== marks.well && fix !== null) context.terminal.result(`     ${name}: ${fix}`);
}

const MARKS = {
  drawn: { well: '✓', better: '-', bad: '✗' },
  plain: { well: 'ok', better: 'note', bad: 'bad' },
} as const;

/** What the table puts around and between its columns. */
const BESIDE = 1 + 3 + 3;
const NARROWEST = 20;

/** Broken between words, where the terminal ends. */
function wrapped(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    const longer = last === undefined ? word : `${last} ${word}`;
    if (last !== undefined && longer.length <= Math.max(columns, NARROWEST)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
