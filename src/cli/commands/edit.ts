import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { renderError } from '../../kernel/render-error.ts';
import { loadSettings, openManifests, type Manifests } from '../../manifest/index.ts';
import { hostFiles } from '../../platform/files.ts';
import { askLine } from '../ask.ts';
import type { CliContext } from '../context.ts';

interface Editable {
  /** As people see it. */
  readonly shown: string;
  readonly path: string;
  /** Throws what a start would throw. */
  readonly check: () => void;
}

/** Opens a manifest in the operator's editor and checks it again, as often as it takes; the text is never touched. */
export async function edit(context: CliContext, name: string | null): Promise<number> {
  const file = find(context, name);
  for (;;) {
    runEditor(context, file.path);
    const failure = complaint(file);
    if (failure === null) {
      context.terminal.say(`${file.shown} is valid`);
      return 0;
    }
    if (!context.interactive) throw failure;
    context.terminal.say(renderError(failure));
    const answer = await askLine('Edit again? [Y/n]', 'y', context.stopRequested);
    if (!/^y/i.test(answer)) return failure.exitCode;
  }
}

function complaint({ check }: Editable): BottleError | null {
  try {
    check();
    return null;
  } catch (failure) {
    if (failure instanceof BottleError) return failure;
    throw failure;
  }
}

function find(context: CliContext, name: string | null): Editable {
  const open = (): Manifests =>
    openManifests({ home: context.paths.home, cwd: context.cwd, files: hostFiles(context.operatorHome) });
  const manifests = open();
  if (name === 'settings' || name === 'settings.yml') {
    return {
      shown: 'settings.yml',
      path: path.join(context.paths.home, 'settings.yml'),
      check: () => {
        loadSettings(context.paths.home, hostFiles(context.operatorHome));
      },
    };
  }
  const bottles = manifests.listBottles().map((source) => ({ ...source, kind: 'bottle' as const }));
  const agents = manifests.listAgents().map((source) => ({ ...source, kind: 'agent' as const }));
  const all = [...agents, ...bottles];
  const wanted = all.filter(({ name: own, kind }) => own === name || `${kind}s/${own}` === name);
  const [only] = wanted;
  if (only !== undefined && wanted.length === 1) {
    const check = (): void => {
      if (only.kind === 'bottle') open().loadEffective([only.name]);
      else open().loadAgent(only.name);
    };
    return { shown: only.file, path: only.path, check };
  }
  const choices = (wanted.length > 1 ? wanted : all).map(({ kind, name: own }) => `${kind}s/${own}`);
  throw new BottleError(wanted.length > 1 || name === null ? 'usage' : 'manifest_not_found', {
    message:
      name === null
        ? `edit what?${choices.length === 0 ? ' There are no bottles and agents yet' : ` There is: ${choices.join(', ')}`}`
        : wanted.length > 1
          ? `"${name}" is a bottle and an agent`
          : `there is no bottle or agent "${name}"; there is: ${choices.join(', ') || 'none yet'}`,
    hint: choices.length === 0 ? 'bot-bottle init' : `bot-bottle edit ${choices[0] ?? ''}`,
  });
}

/** `$VISUAL`, `$EDITOR`, vi: a command line of the operator's own, so the shell reads it, as git does. */
function runEditor({ environment }: CliContext, file: string): void {
  const editor =
    [environment['VISUAL'], environment['EDITOR']].find((value) => value !== undefined && value !== '') ?? 'vi';
  const { status, signal } = spawnSync('/bin/sh', ['-c', `${editor} "$@"`, 'editor', file], { stdio: 'inherit' });
  if (status === 0) return;
  throw new BottleError('editor_failed', {
    message: `the editor "${editor}" ended with ${signal ?? String(status)}; the file was not checked`,
    hint: 'export EDITOR=nano',
  });
}
