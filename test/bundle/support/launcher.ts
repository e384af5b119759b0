import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { firstLine } from '../../e2e/support/world.ts';
import { IS_ROOT, type TestBundleOptions } from './bundle.ts';

/** A bundle whose launcher is a process of its own. */
export interface LaunchedBundle extends AsyncDisposable {
  readonly launcher: ChildProcess;
  readonly root: string;
  readonly stageRoot: string;
  readonly port: number;
  /** Box, first process and init; box, first process and service. */
  readonly pids: readonly number[];
}

const FIXTURE = path.join(import.meta.dirname, '../fixtures/launcher.ts');
const SaidSchema = z.object({
  root: z.string(),
  stageRoot: z.string(),
  port: z.int(),
  pids: z.array(z.int()),
});

/** Whom the tests can be: both kinds of user as root, else just who runs them. */
export const USERS: readonly { readonly user: string; readonly uid: number | null }[] = IS_ROOT
  ? [
      { user: 'root', uid: null },
      { user: 'an ordinary user', uid: 65534 },
    ]
  : [{ user: 'an ordinary user', uid: null }];

export async function startLauncher(
  options: TestBundleOptions,
  { uid, env = {} }: { readonly uid: number | null; readonly env?: Readonly<Record<string, string>> },
): Promise<LaunchedBundle> {
  const launcher = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', FIXTURE], {
    env: { PATH: '/usr/bin:/bin', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(uid === null ? {} : { uid, gid: uid }),
  });
  launcher.stdin.end(JSON.stringify(options));
  let stderr = '';
  launcher.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const line = await firstLine(launcher).catch((failure: unknown) => {
    throw new Error(`the launcher failed: ${stderr}`, { cause: failure });
  });
  const said = SaidSchema.parse(JSON.parse(line));
  return {
    launcher,
    ...said,
    async [Symbol.asyncDispose]() {
      if (launcher.exitCode === null && launcher.signalCode === null) {
        const exit = once(launcher, 'exit');
        launcher.kill('SIGTERM');
        await exit;
      }
      for (const directory of [said.root, said.stageRoot]) fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}
