import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BottleError } from '../../src/kernel/errors.ts';
import { ensureCached, type CacheEntry } from '../../src/platform/cli-cache.ts';
import { fetchPackage } from '../../src/platform/npm-fetch.ts';
import { claudeProvider, verifyProvision, type InstalledCli, type ProvisionPlan } from '../../src/providers/index.ts';

let scratch: string;

beforeEach(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'install-test-'));
});

afterEach(() => {
  fs.rmSync(scratch, { recursive: true, force: true });
});

const never = new AbortController().signal;

async function failureOf(act: () => Promise<unknown>): Promise<BottleError> {
  try {
    await act();
  } catch (failure) {
    if (failure instanceof BottleError) return failure;
    throw failure;
  }
  return expect.fail('nothing was refused');
}

function entry(fill: (staging: string) => Promise<void>, changes: Partial<CacheEntry> = {}): CacheEntry {
  return {
    root: path.join(scratch, 'cache'),
    entry: '1.0.0',
    isComplete: (directory) => fs.existsSync(path.join(directory, 'program')),
    fill,
    waiting: () => undefined,
    signal: never,
    ...changes,
  };
}

async function writeProgram(staging: string): Promise<void> {
  await fs.promises.writeFile(path.join(staging, 'program'), 'whole');
}

describe('the cache', () => {
  test('ten at once fill it once; those who wait say so once each', async () => {
    let fills = 0;
    let waits = 0;
    let release = (): void => undefined;
    const othersWait = new Promise<void>((resolve) => {
      release = resolve;
    });
    const cache = entry(
      async (staging) => {
        fills += 1;
        await othersWait;
        await writeProgram(staging);
      },
      {
        waiting: () => {
          waits += 1;
          if (waits === 9) release();
        },
      },
    );
    const directories = await Promise.all(Array.from({ length: 10 }, () => ensureCached(cache)));
    expect(new Set(directories)).toEqual(new Set([path.join(scratch, 'cache', '1.0.0')]));
    expect({ fills, waits }).toEqual({ fills: 1, waits: 9 });
    expect(fs.readFileSync(path.join(directories[0] ?? '', 'program'), 'utf8')).toBe('whole');
  });

  test('G-KEEP: what fails half-way leaves nothing, and the next try succeeds', async () => {
    const failing = entry(async (staging) => {
      await writeProgram(staging);
      throw new BottleError('provider_failed', { message: 'line cut' });
    });
    expect((await failureOf(() => ensureCached(failing))).message).toBe('line cut');
    expect(fs.readdirSync(path.join(scratch, 'cache'))).toEqual(['.lock']);
    await ensureCached(entry(writeProgram));
    expect(fs.readdirSync(path.join(scratch, 'cache')).sort()).toEqual(['.lock', '1.0.0']);
  });

  test('G-KEEP: what a killed process left half-made is removed and made anew', async () => {
    fs.mkdirSync(path.join(scratch, 'cache', '.staging-dead', 'node_modules'), { recursive: true });
    fs.mkdirSync(path.join(scratch, 'cache', '1.0.0'));
    await ensureCached(entry(writeProgram));
    expect(fs.readdirSync(path.join(scratch, 'cache')).sort()).toEqual(['.lock', '1.0.0']);
  });

  test('a fill that brings nothing is a failure, not an entry', async () => {
    const failure = await failureOf(() => ensureCached(entry(() => Promise.resolve())));
    expect(failure).toMatchObject({ code: 'provider_failed' });
    expect(fs.existsSync(path.join(scratch, 'cache', '1.0.0'))).toBe(false);
  });

  test('an entry that is there is used without a lock, also from a read-only cache', async () => {
    fs.mkdirSync(path.join(scratch, 'cache', '1.0.0'), { recursive: true });
    await writeProgram(path.join(scratch, 'cache', '1.0.0'));
    await ensureCached(
      entry(() => Promise.reject(new BottleError('provider_failed', { message: 'not to be called' }))),
    );
    expect(fs.readdirSync(path.join(scratch, 'cache'))).toEqual(['1.0.0']);
  });
});

/** A registry with one package whose install script would leave a mark. */
interface Registry extends AsyncDisposable {
  readonly url: string;
  readonly integrity: string;
}

const NAME = '@scope/tool';

async function startRegistry(mark: string): Promise<Registry> {
  const source = path.join(scratch, 'package');
  fs.mkdirSync(source);
  const scripts = { preinstall: `touch ${mark}`, install: `touch ${mark}`, postinstall: `touch ${mark}` };
  const description = { name: NAME, version: '1.0.0', scripts };
  fs.writeFileSync(path.join(source, 'package.json'), JSON.stringify(description));
  fs.writeFileSync(path.join(source, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  const tarball = execFileSync('tar', ['-czf', '-', '-C', scratch, 'package']);
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  const server = http.createServer((request, response) => {
    if (request.url?.endsWith('.tgz') === true) {
      response.end(tarball);
      return;
    }
    const dist = { tarball: `http://${request.headers.host ?? ''}/tool-1.0.0.tgz`, integrity };
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ name: NAME, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': { ...description, dist } } }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${String(typeof address === 'object' && address !== null ? address.port : 0)}`,
    integrity,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function npmEnvironment(registry: string): Readonly<Record<string, string | undefined>> {
  return {
    PATH: process.env['PATH'],
    HOME: scratch,
    npm_config_registry: registry,
    npm_config_cache: path.join(scratch, 'npm-cache'),
    npm_config_fetch_retries: '0',
  };
}

function workDirectory(): string {
  const directory = path.join(scratch, 'work');
  fs.mkdirSync(directory);
  return directory;
}

describe('fetching with the real npm', () => {
  test('the archive with the right hash is unpacked, and nothing in it runs', { timeout: 60_000 }, async () => {
    const mark = path.join(scratch, 'script-ran');
    await using registry = await startRegistry(mark);
    const wanted = { name: NAME, version: '1.0.0', integrity: registry.integrity };
    const options = { workDirectory: workDirectory(), environment: npmEnvironment(registry.url), signal: never };
    const unpacked = await fetchPackage(wanted, options);
    expect(fs.readdirSync(unpacked).sort()).toEqual(['package.json', 'tool']);
    expect(fs.existsSync(mark)).toBe(false);
  });

  test(
    'an archive with another hash than ours is refused, though the registry vouches for it',
    { timeout: 60_000 },
    async () => {
      await using registry = await startRegistry(path.join(scratch, 'mark'));
      const integrity = `sha512-${createHash('sha512').update('what was pinned').digest('base64')}`;
      const options = { workDirectory: workDirectory(), environment: npmEnvironment(registry.url), signal: never };
      const failure = await failureOf(() => fetchPackage({ name: NAME, version: '1.0.0', integrity }, options));
      expect(failure).toMatchObject({ code: 'provider_failed', message: expect.stringContaining('EINTEGRITY') });
      expect(fs.existsSync(path.join(scratch, 'work', 'node_modules', NAME, 'tool'))).toBe(false);
    },
  );

  test('an unreachable registry is named, with the command that shows it', { timeout: 60_000 }, async () => {
    const options = {
      workDirectory: workDirectory(),
      environment: npmEnvironment('http://127.0.0.1:9'),
      signal: never,
    };
    const failure = await failureOf(() => fetchPackage({ name: NAME, version: '1.0.0', integrity: null }, options));
    expect(failure).toMatchObject({ code: 'provider_failed', hint: `npm view ${NAME}@1.0.0` });
    expect(failure.message).toContain('ECONNREFUSED');
  });

  test('no npm: the error says how to get it', async () => {
    const options = { workDirectory: workDirectory(), environment: { PATH: scratch }, signal: never };
    const failure = await failureOf(() => fetchPackage({ name: NAME, version: '1.0.0', integrity: null }, options));
    expect(failure).toMatchObject({ code: 'tool_missing', hint: expect.stringContaining('apt-get install npm') });
  });

  test('a stop ends npm and the work, and says so', async () => {
    const bin = path.join(scratch, 'bin');
    fs.mkdirSync(bin);
    fs.writeFileSync(path.join(bin, 'npm'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
    const stop = new AbortController();
    const environment = { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
    const options = { workDirectory: workDirectory(), environment, signal: stop.signal };
    const fetching = failureOf(() => fetchPackage({ name: NAME, version: '1.0.0', integrity: null }, options));
    stop.abort();
    expect((await fetching).message).toBe(`fetching ${NAME} was stopped`);
  });
});

describe('the operator’s own claude (cli: host)', () => {
  function install(directory: string): Promise<InstalledCli> {
    if (claudeProvider.install === null) return expect.fail('the claude provider installs nothing');
    const host = { cacheRoot: scratch, environment: { PATH: directory }, progress: () => undefined, signal: never };
    return claudeProvider.install(host, { value: { cli: 'host' }, position: null });
  }

  test('a native program is shown alone, by the path it really has', async () => {
    const real = path.join(scratch, '2.1.400');
    fs.copyFileSync('/bin/true', real);
    fs.mkdirSync(path.join(scratch, 'bin'));
    fs.symlinkSync(real, path.join(scratch, 'bin', 'claude'));
    const program = fs.realpathSync(real);
    expect(await install(path.join(scratch, 'bin'))).toEqual({ executable: program, mount: program, version: null });
  });

  test('a script is refused: it would need an interpreter inside', async () => {
    fs.writeFileSync(path.join(scratch, 'claude'), '#!/usr/bin/env node\n', { mode: 0o755 });
    expect(await failureOf(() => install(scratch))).toMatchObject({ code: 'provider_failed', hint: 'cli: managed' });
  });

  test('none on the PATH is an error that says what to write instead', async () => {
    expect(await failureOf(() => install(scratch))).toMatchObject({ code: 'tool_missing', hint: 'cli: managed' });
  });
});

describe('right before a launch', () => {
  const plan = (file: string): ProvisionPlan => ({
    title: 'x',
    argv: [file],
    env: {},
    files: [],
    routes: [],
    mounts: [],
    verify: [{ kind: 'executable', path: file }],
    warnings: [],
  });

  test('a program that was removed or lost its x bit is noticed', () => {
    const file = path.join(scratch, 'program');
    expect(() => {
      verifyProvision(plan(file));
    }).toThrow(`${file} is not there any more`);
    fs.writeFileSync(file, '', { mode: 0o644 });
    expect(() => {
      verifyProvision(plan(file));
    }).toThrow(/can't be run/);
    fs.chmodSync(file, 0o755);
    verifyProvision(plan(file));
  });
});
