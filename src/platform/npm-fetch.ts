import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';

/** One archive of the npm registry; null integrity: whatever the registry itself vouches for. */
export interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string | null;
}

export interface FetchOptions {
  /** An empty directory of the caller's. */
  readonly workDirectory: string;
  /** npm needs the operator's registry, proxy and certificates. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/**
 * Fetches and unpacks one package with the operator's npm, by `npm ci` on a lockfile made here: npm then compares the
 * archive with the hash before it unpacks it, and `--ignore-scripts` keeps everything in it from running. Answers the
 * directory of the unpacked package.
 */
export async function fetchPackage(wanted: PinnedPackage, options: FetchOptions): Promise<string> {
  const { workDirectory } = options;
  const folder = `node_modules/${wanted.name}`;
  const root = { name: 'fetch', version: '0.0.0', dependencies: { [wanted.name]: wanted.version } };
  const locked = { version: wanted.version, ...(wanted.integrity === null ? {} : { integrity: wanted.integrity }) };
  const lock = {
    name: root.name,
    version: root.version,
    lockfileVersion: 3,
    requires: true,
    packages: { '': root, [folder]: locked },
  };
  fs.writeFileSync(path.join(workDirectory, 'package.json'), JSON.stringify({ ...root, private: true }));
  fs.writeFileSync(path.join(workDirectory, 'package-lock.json'), JSON.stringify(lock));
  await runNpm(wanted, options);
  return path.join(workDirectory, folder);
}

async function runNpm(wanted: PinnedPackage, options: FetchOptions): Promise<void> {
  const deadline = AbortSignal.timeout(LIMITS.toolFetchTimeoutMs);
  const child = spawn(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', options.workDirectory],
    {
      cwd: options.workDirectory,
      env: { ...options.environment },
      stdio: ['ignore', 'ignore', 'pipe'],
      signal: AbortSignal.any([options.signal, deadline]),
    },
  );
  let complaint = '';
  let failure: Error | null = null;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-LIMITS.toolOutputBytes);
  });
  child.on('error', (error) => {
    failure = error;
  });
  // Not before npm is gone: the caller removes the directory it works in.
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code === 0) return;
  throw failedFetch(wanted, options.signal, deadline, failure, complaint);
}

function failedFetch(
  wanted: PinnedPackage,
  stop: AbortSignal,
  deadline: AbortSignal,
  failure: Error | null,
  complaint: string,
): BottleError {
  if (stop.aborted) return new BottleError('provider_failed', { message: `fetching ${wanted.name} was stopped` });
  if (isMissing(failure)) return npmMissing(failure);
  const why = deadline.aborted ? `no answer within ${String(LIMITS.toolFetchTimeoutMs / 1000)} s` : gist(complaint);
  return new BottleError('provider_failed', {
    message: `npm could not fetch ${wanted.name}@${wanted.version}: ${why}`,
    hint: `npm view ${wanted.name}@${wanted.version}`,
    cause: failure,
  });
}

function npmMissing(cause: unknown): BottleError {
  return new BottleError('tool_missing', {
    message: 'npm is not installed, and the agent’s program is fetched with it',
    hint: 'install npm with your system’s package manager (Debian, Ubuntu: apt-get install npm), or set `cli: host`',
    cause,
  });
}

function isMissing(failure: unknown): boolean {
  return failure instanceof Error && 'code' in failure && failure.code === 'ENOENT';
}

/** The first lines of npm's complaint, without its prefix and without where it wrote its log. */
function gist(complaint: string): string {
  const lines = complaint
    .split('\n')
    .filter((line) => line.startsWith('npm error') && !line.includes('A complete log'))
    .map((line) => line.slice('npm error'.length).trim())
    .filter((line) => line !== '');
  return (lines.length > 0 ? lines.slice(0, 4).join('; ') : complaint.trim()) || 'it said nothing';
}
