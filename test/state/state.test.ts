import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planCleanup, performCleanup } from '../../src/launch/cleanup.ts';
import { findBottle, listBottles, writeBottleFile, type BottleFile } from '../../src/state/bottles.ts';
import { Journal, readJournal } from '../../src/state/journal.ts';
import { tryLock } from '../../src/state/lock.ts';
import { bottlePaths, ensurePrivateDirectory, homePaths, type HomePaths } from '../../src/state/paths.ts';

let root = '';
let paths: HomePaths;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'state-'));
  paths = homePaths({ BOT_BOTTLE_HOME: root });
});
afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

function bottle(slug: string, change: Partial<BottleFile> = {}): BottleFile {
  fs.mkdirSync(bottlePaths(paths, slug).root, { recursive: true });
  const file: BottleFile = {
    version: 2,
    origin: null,
    slug,
    agent: 'reviewer',
    label: null,
    backend: 'bubblewrap',
    startedAt: '2026-01-01T00:00:00.000Z',
    launcherPid: 1,
    services: ['egress'],
    workspaceMode: 'copy',
    preserved: null,
    agentStarted: true,
    ...change,
  };
  writeBottleFile(paths, file);
  return file;
}

describe('a bottle file that this version did not write', () => {
  it.each([
    ['{"version":99}', 'a newer version'],
    ['{"version":', 'a torn file'],
  ])('is a row of its own beside the others, and cleanup leaves it alone: %s', (text) => {
    bottle('good-11111', { preserved: { reason: 'kept', exitCode: 0 } });
    bottle('odd-22222');
    fs.writeFileSync(bottlePaths(paths, 'odd-22222').bottleFile, text);
    expect(listBottles(paths).map(({ slug, state }) => [slug, state])).toEqual([
      ['good-11111', 'preserved'],
      ['odd-22222', 'unreadable'],
    ]);
    expect(planCleanup(paths, { preserved: true }).map(({ slug }) => slug)).toEqual(['good-11111']);
  });
});

describe('the lock says what is live', () => {
  it('is refused to a second taker and comes back when the first ends', () => {
    const file = path.join(root, 'lock');
    const first = tryLock(file);
    expect(first).not.toBeNull();
    expect(tryLock(file)).toBeNull();
    first?.[Symbol.dispose]();
    const second = tryLock(file);
    expect(second).not.toBeNull();
    second?.[Symbol.dispose]();
  });

  it('comes back when its holder is killed', async () => {
    const file = path.join(root, 'lock');
    const script = `import { tryLock } from ${JSON.stringify(path.resolve('src/state/lock.ts'))}; globalThis.held = tryLock(${JSON.stringify(file)}); console.log('held'); setInterval(() => {}, 1e6);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(tryLock(file)).toBeNull();
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    const taken = tryLock(file);
    expect(taken).not.toBeNull();
    taken?.[Symbol.dispose]();
  });
});

describe('the journal', () => {
  it('reads back what was appended, and not a torn last line', () => {
    const file = path.join(root, 'journal');
    using journal = new Journal(file);
    journal.append({ step: 'one', detail: { directory: '/a', pid: 3 } });
    fs.appendFileSync(file, '{"step":"tw');
    expect(readJournal(file)).toEqual([{ step: 'one', detail: { directory: '/a', pid: 3 } }]);
  });

  it('of a bottle that never had one is empty', () => {
    expect(readJournal(path.join(root, 'absent'))).toEqual([]);
  });
});

describe('listing', () => {
  it('tells live, preserved and orphaned bottles apart', () => {
    bottle('a-live');
    bottle('b-kept', { preserved: { reason: 'exit', exitCode: 1 } });
    bottle('c-lost');
    using lock = tryLock(bottlePaths(paths, 'a-live').lock) ?? { [Symbol.dispose]: () => undefined };
    void lock;
    expect(listBottles(paths).map(({ slug, state }) => [slug, state])).toEqual([
      ['a-live', 'live'],
      ['b-kept', 'preserved'],
      ['c-lost', 'orphan'],
    ]);
  });

  it('finds a bottle by any beginning that is unique', () => {
    bottle('reviewer-abc');
    bottle('reviewer-abd');
    const known = listBottles(paths);
    expect(findBottle(known, 'reviewer-abc').slug).toBe('reviewer-abc');
    expect(findBottle(known, 'reviewer-abd').slug).toBe('reviewer-abd');
    expect(() => findBottle(known, 'reviewer')).toThrow('several bottles');
    expect(() => findBottle(known, 'builder')).toThrow('no bottle is called');
  });

  it('refuses state that another version wrote, naming the file', () => {
    bottle('a-one');
    fs.writeFileSync(bottlePaths(paths, 'a-one').bottleFile, '{"version":99}');
    expect(() => findBottle(listBottles(paths), 'a-one')).toThrow(/bottle\.json was not written by this version/);
  });
});

const NO_CONTAINERS = { removeContainer: () => Promise.reject(new Error('there is no container here')) };

describe('G-KEEP cleanup', () => {
  it('ends a container that the journal names and that nobody has removed', async () => {
    bottle('boxed');
    using journal = new Journal(bottlePaths(paths, 'boxed').journal);
    journal.append({ step: 'bottle-container', detail: { engine: '/run/engine.sock', container: 'bot-bottle-boxed' } });
    const [plan] = planCleanup(paths, { preserved: false });
    expect(plan?.actions[0]).toEqual({
      kind: 'container',
      slug: 'boxed',
      engine: '/run/engine.sock',
      container: 'bot-bottle-boxed',
    });
    const failures = await performCleanup(paths, plan!, NO_CONTAINERS);
    expect(failures.map(({ why }) => why)).toEqual(['there is no container here']);
    expect(fs.existsSync(bottlePaths(paths, 'boxed').root), 'it has to be found again').toBe(true);
    const removed: string[] = [];
    const removeContainer = (...names: string[]): Promise<void> => {
      removed.push(...names);
      return Promise.resolve();
    };
    expect(await performCleanup(paths, plan!, { removeContainer })).toEqual([]);
    expect(removed).toEqual(['/run/engine.sock', 'bot-bottle-boxed']);
    expect(fs.existsSync(bottlePaths(paths, 'boxed').root)).toBe(false);
  });

  it('does not look for a container that was removed in order', () => {
    bottle('boxed');
    using journal = new Journal(bottlePaths(paths, 'boxed').journal);
    journal.append({ step: 'bottle-container', detail: { engine: '/run/engine.sock', container: 'bot-bottle-boxed' } });
    journal.append({ step: 'container-removed', detail: { removed: 'bot-bottle-boxed' } });
    expect(planCleanup(paths, { preserved: false })[0]?.actions.map(({ kind }) => kind)).toEqual(['remove']);
  });

  it('removes an orphan whose agent never began, and keeps the work of one that did', async () => {
    bottle('never');
    bottle('begun');
    fs.mkdirSync(bottlePaths(paths, 'begun').workspace);
    fs.writeFileSync(path.join(bottlePaths(paths, 'begun').workspace, 'work'), 'precious');
    using journal = new Journal(bottlePaths(paths, 'begun').journal);
    journal.append({ step: 'agent', detail: {} });
    const plans = planCleanup(paths, { preserved: false });
    for (const plan of plans) expect(await performCleanup(paths, plan, NO_CONTAINERS)).toEqual([]);
    expect(fs.existsSync(bottlePaths(paths, 'never').root)).toBe(false);
    expect(fs.readFileSync(path.join(bottlePaths(paths, 'begun').workspace, 'work'), 'utf8')).toBe('precious');
    expect(listBottles(paths).map(({ slug, state }) => [slug, state])).toEqual([['begun', 'preserved']]);
  });

  it('touches neither live nor preserved bottles', () => {
    bottle('live');
    bottle('kept', { preserved: { reason: 'exit', exitCode: 1 } });
    const lock = tryLock(bottlePaths(paths, 'live').lock);
    expect(planCleanup(paths, { preserved: false })).toEqual([]);
    expect(planCleanup(paths, { preserved: true }).map(({ slug }) => slug)).toEqual(['kept']);
    lock?.[Symbol.dispose]();
  });

  it('of a preserved bottle puts away what a killed look into it left, unless somebody looks right now', async () => {
    bottle('kept', { preserved: { reason: 'exit', exitCode: 1 } });
    const own = bottlePaths(paths, 'kept');
    fs.mkdirSync(path.join(own.runtime, 'stage-tree-1'), { recursive: true });
    const looking = tryLock(own.lock);
    expect(planCleanup(paths, { preserved: false })).toEqual([]);
    looking?.[Symbol.dispose]();
    const [plan, ...others] = planCleanup(paths, { preserved: false });
    expect(plan?.actions).toEqual([{ kind: 'remove', slug: 'kept', path: own.runtime }]);
    expect(others).toEqual([]);
    if (plan !== undefined) expect(await performCleanup(paths, plan, NO_CONTAINERS)).toEqual([]);
    expect(fs.existsSync(own.runtime)).toBe(false);
    expect(listBottles(paths).map(({ slug, state }) => [slug, state])).toEqual([['kept', 'preserved']]);
  });

  it('ends only the very process that the journal names: a pid that was used again is left alone', () => {
    bottle('left');
    using journal = new Journal(bottlePaths(paths, 'left').journal);
    journal.append({ step: 'bottle', detail: { pid: process.pid, startTime: '1' } });
    const [plan] = planCleanup(paths, { preserved: false });
    expect(plan?.actions.map(({ kind }) => kind)).toEqual(['remove']);
  });
});

describe('private directories', () => {
  it('refuses one that others can read', () => {
    const directory = path.join(root, 'shared');
    fs.mkdirSync(directory);
    fs.chmodSync(directory, 0o755);
    expect(() => {
      ensurePrivateDirectory(directory);
    }).toThrow('nobody else can read or write');
  });

  it('refuses a link that somebody put in its place', () => {
    fs.mkdirSync(path.join(root, 'real'), { mode: 0o700 });
    fs.symlinkSync('real', path.join(root, 'link'));
    expect(() => {
      ensurePrivateDirectory(path.join(root, 'link'));
    }).toThrow('nobody else can read or write');
  });
});

describe('H5 a directory that has no name yet', () => {
  const unnamed = (name: string, { ageMs }: { readonly ageMs: number }): string => {
    const directory = bottlePaths(paths, name).root;
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(path.join(directory, 'journal.jsonl'), '');
    const then = new Date(Date.now() - ageMs);
    fs.utimesSync(directory, then, then);
    return directory;
  };

  it('is no bottle, and is put away once nobody holds it', async () => {
    const old = unnamed('.new-0123456789abcdef', { ageMs: 60_000 });
    expect(listBottles(paths)).toEqual([]);
    const plans = planCleanup(paths, { preserved: false });
    expect(plans).toEqual([
      { slug: path.basename(old), actions: [{ kind: 'remove', slug: path.basename(old), path: old }] },
    ]);
    for (const plan of plans) expect(await performCleanup(paths, plan, NO_CONTAINERS)).toEqual([]);
    expect(fs.readdirSync(paths.stateRoot)).toEqual([]);
  });

  it('is left alone while it was changed a moment ago, and while it is locked', () => {
    unnamed('.new-0000000000000001', { ageMs: 0 });
    const held = unnamed('.new-0000000000000002', { ageMs: 60_000 });
    using lock = tryLock(path.join(held, 'lock'));
    expect(lock).not.toBeNull();
    const then = new Date(Date.now() - 60_000);
    fs.utimesSync(held, then, then);
    expect(planCleanup(paths, { preserved: false })).toEqual([]);
  });

  it('a lock in a directory that is gone can’t be had', () => {
    expect(tryLock(path.join(root, 'gone/lock'))).toBeNull();
  });
});
