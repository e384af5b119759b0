import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { leftovers, processesIn } from './support/leftovers.ts';
import { CLI, modesChanged, shellWorld, startIn } from './support/shell-world.ts';
import { TMUX, type Terminal } from './support/terminal.ts';
import type { World } from './support/world.ts';

/** Every place where `start` waits for the operator, and the way there. */
const PLACES = [
  { place: 'the agent', args: '', sees: /Which agent\?/, way: [] },
  { place: 'the bottles', args: 'free', sees: /Which bottles\?/, way: [] },
  { place: 'the label', args: '', sees: /A label for it/, way: ['rev'] },
  { place: 'the colour', args: '', sees: /Its colour\?/, way: ['rev', 'a label'] },
  { place: 'a label that is taken', args: 'rev --label taken', sees: /Another label:/, way: [] },
  { place: 'a secret', args: 'rev --bottle asks', sees: /Value of KEY:/, way: [] },
  { place: 'the last question', args: 'rev', sees: /Start\? \[y\/N\]/, way: [] },
] as const;

/** Typed before, or with nothing typed yet: both are cancelled alike. */
const KEYS = [
  { key: 'C-c', name: 'Ctrl-C', typed: '' },
  { key: 'C-c', name: 'Ctrl-C', typed: 'half' },
  { key: 'Escape', name: 'Esc', typed: '' },
  { key: 'Escape', name: 'Esc', typed: 'half' },
  { key: 'C-d', name: 'the end of input', typed: '' },
] as const;

const TABLE = PLACES.flatMap((place) => KEYS.map((key) => ({ ...place, ...key })));

function cancelWorld(): World {
  const world = shellWorld('echo never');
  world.bottle('asks', 'extends: base\nenv: {KEY: "?"}');
  fs.mkdirSync(path.join(world.home, 'state', 'taken'), { recursive: true, mode: 0o711 });
  return world;
}

async function reach(terminal: Terminal, { sees, way }: (typeof PLACES)[number]): Promise<void> {
  const signs = [/Which agent\?/, /A label for it/];
  for (const [index, answer] of way.entries()) {
    await terminal.sees(signs[index] ?? sees);
    terminal.enter(answer);
  }
  await terminal.sees(sees);
}

const SIGNALS = PLACES.map((place) => ({ ...place, signal: 'SIGTERM' as const }));

describe.skipIf(TMUX === null)('start, cancelled where it waits for somebody', () => {
  it.each(TABLE)('$name at $place (typed: "$typed"): 130, nothing made, the terminal as it was', async (row) => {
    using world = cancelWorld();
    using terminal = startIn(world, row.args);
    await reach(terminal, row);
    terminal.type(row.typed);
    terminal.key(row.key);
    const screen = await terminal.sees(/code=\d+/, 5_000);
    expect(screen).toContain('cancelled; nothing was done');
    expect(screen).toContain('code=130');
    expect(world.slugs()).toEqual(['taken']);
    expect(leftovers(world)).toEqual([]);
    expect(modesChanged(world, terminal)).toEqual([]);
  });

  it.each(SIGNALS)('$signal at $place: 143, nothing made, the terminal as it was', async (row) => {
    using world = cancelWorld();
    using terminal = startIn(world, row.args);
    await reach(terminal, row);
    process.kill(commandOf(world), row.signal);
    const screen = await terminal.sees(/code=\d+/, 5_000);
    expect(screen).toContain('stopped; nothing was done');
    expect(screen).toContain('code=143');
    expect(world.slugs()).toEqual(['taken']);
    expect(leftovers(world)).toEqual([]);
    expect(modesChanged(world, terminal)).toEqual([]);
  });
});

describe.skipIf(TMUX === null)('the window closed under a start', () => {
  it.each(PLACES)('at $place: nothing made, nothing left', async (row) => {
    using world = cancelWorld();
    using terminal = startIn(world, row.args);
    await reach(terminal, row);
    terminal.hangUp();
    await expect.poll(() => processesIn(world), { timeout: 10_000 }).toEqual([]);
    expect(world.slugs()).toEqual(['taken']);
    expect(leftovers(world)).toEqual([]);
  });

  it('while the bottle is made: it is undone', async () => {
    using world = cancelWorld();
    using terminal = startIn(world, 'rev --yes --label closed');
    await expect.poll(() => world.slugs(), { timeout: 20_000, interval: 2 }).toContain('closed');
    terminal.hangUp();
    await allGone(world);
    expect(world.slugs()).toEqual(['taken']);
  });

  it('G-KEEP in the session: nothing runs on, and the work is kept', async () => {
    using world = shellWorld('echo work > marker; echo at work; sleep 1000');
    using terminal = startIn(world, 'rev --yes --label closed');
    await terminal.sees(/at work/);
    terminal.hangUp();
    await allGone(world);
    const marker = path.join(world.home, 'state', 'closed', 'workspace', 'marker');
    expect(fs.readFileSync(marker, 'utf8')).toBe('work\n');
  });
});

async function allGone(world: World): Promise<void> {
  await expect.poll(() => processesIn(world), { timeout: 30_000 }).toEqual([]);
  await expect.poll(() => leftovers(world), { timeout: 10_000 }).toEqual([]);
}

function commandOf(world: World): number {
  const pid = processesIn(world).find(({ command }) => command.startsWith(`${CLI} start`))?.pid;
  expect(pid).toBeDefined();
  return pid ?? 0;
}
