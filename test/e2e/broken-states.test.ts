import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { tryLock, type BottleLock } from '../../src/state/lock.ts';
import { World } from './support/world.ts';

/** Bottles in every state that a command about one that runs may meet, as their files say it; nothing of them lives. */
let world: World;
const locks: BottleLock[] = [];

const FILE = {
  version: 2,
  agent: 'run',
  label: null,
  backend: 'bubblewrap',
  startedAt: '2026-01-01T00:00:00.000Z',
  launcherPid: 1,
  services: ['egress'],
  workspaceMode: 'copy',
  preserved: null,
  agentStarted: true,
  origin: null,
};

function plant(slug: string, file: object | null, live = false): void {
  const root = path.join(world.home, 'state', slug);
  fs.mkdirSync(root, { recursive: true });
  if (file !== null) fs.writeFileSync(path.join(root, 'bottle.json'), JSON.stringify(file));
  if (!live) return;
  const lock = tryLock(path.join(root, 'lock'));
  if (lock !== null) locks.push(lock);
}

beforeAll(() => {
  world = new World();
  plant('kept-aaaaa', { ...FILE, slug: 'kept-aaaaa', preserved: { reason: 'error', exitCode: 1 } });
  plant('crashed-aaaaa', { ...FILE, slug: 'crashed-aaaaa' });
  plant('future-aaaaa', { ...FILE, slug: 'future-aaaaa', version: 99 });
  plant('starting-aaaaa', null, true);
  plant('live-aaaaa', { ...FILE, slug: 'live-aaaaa' }, true);
  plant('live-bbbbb', { ...FILE, slug: 'live-bbbbb' }, true);
  world.bottle('typo', 'egres: {}');
  world.bottle('good', 'supervise: false');
  world.agent('typo', 'botle: good');
});

afterAll(() => {
  for (const lock of locks) lock[Symbol.dispose]();
  world[Symbol.dispose]();
});

interface Row {
  readonly args: readonly string[];
  readonly says: string;
  readonly code?: number;
  readonly settings?: string;
}

const help = (command: string): string => `      bot-bottle ${command} --help\n`;

const NOT_RUNNING = [
  { slug: 'kept-aaaaa', says: 'it has ended, and its work is kept\n      bot-bottle resume kept-aaaaa' },
  { slug: 'crashed-aaaaa', says: 'a crash ended it\n      bot-bottle cleanup' },
].flatMap(({ slug, says }) =>
  [
    ['stop', slug],
    ['exec', slug, '--', 'true'],
    ['reload', slug],
  ].map((args) => ({
    args,
    says: `${slug} is not running: ${says}\n`,
  })),
);

const ROWS: readonly Row[] = [
  ...NOT_RUNNING,
  ...[
    ['stop', 'future'],
    ['exec', 'future', '--', 'true'],
    ['reload', 'future'],
  ].map((args) => ({
    args,
    says: 'HOME/state/future-aaaaa/bottle.json was not written by this version of bot-bottle\n      move HOME/state/future-aaaaa away, or use the version that wrote it\n',
  })),
  ...[
    ['stop', 'live'],
    ['exec', 'live', '--', 'true'],
    ['reload', 'live'],
    ['logs', 'live'],
    ['resume', 'live'],
  ].map((args) => ({
    args,
    says: '"live" stands for several bottles: live-aaaaa, live-bbbbb\n      bot-bottle list active --all\n',
  })),
  ...[
    ['exec', 'x', '--', 'true'],
    ['reload', 'x'],
    ['resume', 'x'],
    ['diff', 'x'],
    ['logs', 'x'],
  ].map((args) => ({
    args,
    says: 'no bottle is called "x"\n      bot-bottle list active --all\n',
  })),
  ...[
    ['stop', 'starting'],
    ['exec', 'starting', '--', 'true'],
  ].map((args) => ({
    args,
    says: 'starting-aaaaa is not running: it is only just starting, or a gateway alone\n      bot-bottle list active\n',
  })),
  { args: ['exec'], code: 2, says: `missing required argument 'slug'\n${help('exec')}` },
  { args: ['exec', 'live-a'], code: 2, says: `missing required argument 'command'\n${help('exec')}` },
  { args: ['exec', 'live-a', '--'], code: 2, says: 'run what?\n      bot-bottle exec --help\n' },
  {
    args: ['exec', 'live-a', '--', 'true'],
    says: "live-aaaaa can't be entered: its agent does not run\n      bot-bottle list active\n",
  },
  { args: ['exec', '--now', 'live-a', 'true'], code: 2, says: `unknown option '--now'\n${help('exec')}` },
  { args: ['stop', '--nw', 'live-a'], code: 2, says: `unknown option '--nw'; did you mean --now?\n${help('stop')}` },
  { args: ['stop', 'live-a', 'x', '--now'], says: 'no bottle is called "x"\n      bot-bottle list active --all\n' },
  { args: ['reload'], code: 2, says: `missing required argument 'slug'\n${help('reload')}` },
  {
    args: ['reload', 'a', 'b'],
    code: 2,
    says: `too many arguments for 'reload'. Expected 1 argument but got 2: a, b\n${help('reload')}`,
  },
  {
    args: ['reload', 'live-a', '--bottle', 'good'],
    code: 2,
    says: 'live-aaaaa keeps the bottles it was started with; --bottle is for a gateway\n      bot-bottle reload live-aaaaa\n',
  },
  {
    args: ['reload', 'starting'],
    code: 2,
    says: 'starting-aaaaa is a gateway; whose routes shall it have?\n      bot-bottle reload starting-aaaaa --bottle NAME\n',
  },
  {
    args: ['reload', 'starting', '--bottle', 'typo'],
    says: 'bottles/typo.md:2:1  egres\n  unknown key "egres"; did you mean "egress"?\n  allowed here: description, extends, env, agent_provider, git-gate, egress, supervise, workspace, resources, mounts, budget, debug\n      egress: {routes: [{host: api.github.com}]}\n',
  },
  {
    args: ['cleanup'],
    code: 2,
    says: '  remove HOME/state/crashed-aaaaa\nnobody can be asked here\n      bot-bottle cleanup --yes\n',
  },
  {
    args: ['cleanup', '--preserved'],
    code: 2,
    says: '  remove HOME/state/crashed-aaaaa\n  remove HOME/state/kept-aaaaa\n  ! the work of kept-aaaaa would be lost; bring it home:  bot-bottle deliver kept-aaaaa\nnobody can be asked here\n      bot-bottle cleanup --preserved --yes\n',
  },
  { args: ['reload', 'live-a'], says: 'live-aaaaa was made by an older version\n      bot-bottle stop live-aaaaa\n' },
  {
    args: ['info', 'typo'],
    says: 'agents/typo.md:2:1  botle\n  unknown key "botle"; did you mean "bottle"?\n  allowed here: bottle, skills, git-gate, and whatever Claude Code knows\n      bottle: claude\n',
  },
  {
    args: ['run', '--bottle', 'good', '--', 'true'],
    settings: 'upstream:\n  extra_ca: ca.pem\n',
    says: 'settings.yml:2:13  upstream.extra_ca\n  must be a list\n      extra_ca: [/etc/ssl/company.pem]\n',
  },
  {
    args: ['explain', '--bottle', 'good', 'GET', 'https://a.example/'],
    settings: 'upsteam: {}\n',
    says: 'settings.yml:1:1  upsteam\n  unknown key "upsteam"; did you mean "upstream"?\n  allowed here: upstream, dlp, backend, strict_secrets, supervise, budgets\n      upstream: {extra_ca: [/etc/ssl/company.pem]}\n',
  },
  {
    args: ['gateway', '--bottle', 'good'],
    settings: 'backend: dokcer\n',
    says: 'settings.yml:1:10  backend\n  must be bubblewrap, docker, smolmachines or vm; did you mean "docker"?\n      backend: bubblewrap\n',
  },
];

describe('a command about a bottle that is not as it must be says how it is, and what to do', () => {
  it.each(ROWS)('$args', async ({ args, says, code = 1, settings }) => {
    if (settings !== undefined) world.settings(settings);
    const result = await world.run(args);
    fs.rmSync(path.join(world.home, 'settings.yml'), { force: true });
    const stderr = result.stderr.replaceAll(world.home, 'HOME');
    expect({ ...result, stderr }).toEqual({ code, signal: null, stdout: '', stderr: says });
  });
});
