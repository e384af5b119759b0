import { spawnSync } from 'node:child_process';
import { findProgram } from '../bundle/host-facts.ts';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';

/**
 * Git on the host, for repositories of the operator's own and for bare ones that we made (SECURITY S27): it borrows
 * nothing from the environment, runs no hook, asks nobody, and speaks no protocol but to files.
 */
export interface GitAnswer {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export function quietGit(directory: string, args: readonly string[], input: number | 'ignore' = 'ignore'): GitAnswer {
  const git = findProgram('git');
  if (git === null)
    throw new BottleError('tool_missing', { message: 'git is needed for this', hint: 'bot-bottle doctor' });
  const settings = SETTINGS.flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { status, stdout, stderr } = spawnSync(git, [...settings, '-c', `safe.directory=*`, ...args], {
    cwd: directory,
    env: ENVIRONMENT,
    stdio: [input, 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: LIMITS.treeAnswerBytes,
  });
  return { ok: status === 0, stdout, stderr };
}

const ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: 'file',
  GIT_OPTIONAL_LOCKS: '0',
} as const;

const SETTINGS = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['credential.helper', ''],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['submodule.recurse', 'false'],
  ['transfer.fsckObjects', 'true'],
  ['fetch.fsckObjects', 'true'],
  ['protocol.file.allow', 'always'],
] as const;
