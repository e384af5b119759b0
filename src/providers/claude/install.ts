import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { ensureCached } from '../../platform/cli-cache.ts';
import { fetchPackage } from '../../platform/npm-fetch.ts';
import type { InstalledCli, InstallHost } from '../provider.ts';
import { isExecutableFile } from '../verify.ts';
import { claudePackage, PINNED_VERSION } from './package.ts';
import type { ClaudeSettings } from './settings.ts';

const BINARY = 'claude';

/** Puts Claude Code where bottles can be shown it. The host never runs it: it is the agent's program, not ours. */
export function installClaude(host: InstallHost, settings: ClaudeSettings): Promise<InstalledCli> {
  return settings.cli === 'host'
    ? Promise.resolve(findOnPath(host))
    : fetchManaged(host, settings.version ?? PINNED_VERSION);
}

async function fetchManaged(host: InstallHost, version: string): Promise<InstalledCli> {
  const wanted = claudePackage(version, { platform: process.platform, arch: process.arch, libc: hostLibc() });
  const directory = await ensureCached({
    root: path.join(host.cacheRoot, 'claude'),
    entry: wanted.entry,
    isComplete: (candidate) => isExecutableFile(path.join(candidate, BINARY)),
    fill: async (staging) => {
      host.progress(`fetching Claude Code ${version} with npm (once; some hundred megabytes)`);
      const startedAt = performance.now();
      const unpacked = await fetchPackage(wanted, { workDirectory: staging, ...host });
      keepBinary(unpacked, staging);
      host.progress(`fetched Claude Code ${version} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    },
    waiting: () => {
      host.progress(`waiting for another bot-bottle that is fetching Claude Code ${version}`);
    },
    signal: host.signal,
  });
  return { executable: path.join(directory, BINARY), mount: directory, version };
}

/** Leaves the program and its licence, readable by the uid of any bottle, and nothing else. */
function keepBinary(unpacked: string, staging: string): void {
  const source = path.join(unpacked, BINARY);
  if (!isExecutableFile(source)) {
    throw new BottleError('provider_failed', {
      message: `the fetched package of Claude Code holds no program "${BINARY}"`,
      key: 'agent_provider.settings.version',
    });
  }
  const licence = path.join(unpacked, 'LICENSE.md');
  if (fs.existsSync(licence)) fs.renameSync(licence, path.join(staging, 'LICENSE.md'));
  fs.renameSync(source, path.join(staging, BINARY));
  fs.chmodSync(path.join(staging, BINARY), 0o755);
  for (const name of fs.readdirSync(staging)) {
    if (name !== BINARY && name !== 'LICENSE.md') fs.rmSync(path.join(staging, name), { recursive: true });
  }
}

/** The operator's own `claude`: only a ready-made program will do, a script would need an interpreter inside. */
function findOnPath(host: InstallHost): InstalledCli {
  const found = (host.environment['PATH'] ?? '')
    .split(path.delimiter)
    .filter((directory) => path.isAbsolute(directory))
    .map((directory) => path.join(directory, BINARY))
    .find(isExecutableFile);
  if (found === undefined) {
    throw new BottleError('tool_missing', {
      message: 'there is no `claude` on the PATH',
      key: 'agent_provider.settings.cli',
      hint: 'cli: managed',
    });
  }
  const executable = fs.realpathSync(found);
  if (!isElf(executable)) {
    throw new BottleError('provider_failed', {
      message: `${found} is a script, and only the native program of Claude Code can be shown to a bottle`,
      key: 'agent_provider.settings.cli',
      hint: 'cli: managed',
    });
  }
  return { executable, mount: executable, version: null };
}

function isElf(file: string): boolean {
  const fd = fs.openSync(file, 'r');
  try {
    const magic = Buffer.alloc(4);
    fs.readSync(fd, magic, 0, 4, 0);
    return magic.equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]));
  } finally {
    fs.closeSync(fd);
  }
}

/** By the loader that is there: our own Node brings its libc along, so it can't tell. */
function hostLibc(): 'glibc' | 'musl' {
  const has = (file: string): boolean => fs.existsSync(file);
  const glibc = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'].some(has);
  const musl = ['/lib/ld-musl-x86_64.so.1', '/lib/ld-musl-aarch64.so.1'].some(has);
  return musl && !glibc ? 'musl' : 'glibc';
}
