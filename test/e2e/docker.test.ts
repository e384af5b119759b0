import { once } from 'node:events';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DockerEngine } from '../../src/platform/docker/engine.ts';
import { noEngine, testEngine, type TestEngine } from '../stand-ins/engine.ts';
import { leftovers } from './support/leftovers.ts';
import { Terminal } from './support/terminal.ts';
import { collect, firstLine, World, type RunOptions } from './support/world.ts';

const MADE_MS = 300_000;
const missing = noEngine();
let engine: TestEngine = { socketPath: '', image: '' };

beforeAll(async () => {
  if (missing === null) engine = await testEngine();
}, MADE_MS);

const it = (title: string, body: () => Promise<void>): void => {
  test(title, async (context) => {
    if (missing !== null) context.skip(missing);
    await body();
  });
};

const environment = (): Readonly<Record<string, string>> => ({
  DOCKER_HOST: `unix://${engine.socketPath}`,
  BOT_BOTTLE_BASE_IMAGE: engine.image,
});
const options = (): RunOptions => ({ env: environment() });
const inDocker = (...command: readonly string[]): readonly string[] => ['run', '--backend', 'docker', '--', ...command];

const ContainersSchema = z.array(z.object({ Names: z.array(z.string()), Labels: z.record(z.string(), z.string()) }));

async function containersOf(world: World): Promise<readonly string[]> {
  const api = new DockerEngine(engine.socketPath);
  const all = await api.json(ContainersSchema, { method: 'GET', path: '/containers/json', query: { all: '1' } });
  return all
    .filter(({ Labels }) => Labels['bot-bottle.state']?.startsWith(world.home) === true)
    .flatMap(({ Names }) => Names);
}

describe('the command line with containers', () => {
  it('passes streams and the exit code on, keeps the work, and leaves nothing', async () => {
    using world = new World();
    const script = 'cat; echo out; echo err >&2; cat README; exit 7';
    const result = await world.run(inDocker('sh', '-c', script), { ...options(), input: 'in\n' });
    expect(result).toMatchObject({ code: 7, stdout: 'in\nout\na project\n', stderr: expect.stringContaining('err\n') });
    expect(await containersOf(world)).toEqual([]);
    expect(leftovers(world)).toEqual([]);
  });

  it('G-NET G-DENY an agent has a gateway that refuses, and nothing else', async () => {
    using world = new World();
    const script = [
      'curl -s -o /dev/null -w "%{http_connect}\\n" https://example.com',
      'curl -s --noproxy "*" --max-time 3 http://192.0.2.1/ || echo unreachable',
      'ls /sys/class/net',
    ].join('; ');
    const { stdout } = await world.run(inDocker('sh', '-c', script), options());
    expect(stdout).toBe('403\nunreachable\nlo\n');
  });

  it('lets a further command in, behind the same walls', async () => {
    using world = new World();
    const child = world.spawn(inDocker('sh', '-c', 'echo up; read line; echo "agent read $line"'), options());
    await firstLine(child);
    const [slug = ''] = world.slugs();
    const script = 'id -u; grep -E "^(Seccomp|NoNewPrivs|CapEff):" /proc/self/status; cat; exit 9';
    const entered = await world.run(['exec', slug, '--', 'sh', '-c', script], { ...options(), input: 'piped\n' });
    expect(entered.code).toBe(9);
    expect(entered.stdout).toMatch(/^20\d{5}\n/);
    expect(entered.stdout).toContain('CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\npiped\n');
    child.stdin?.end('goodbye\n');
    const ended = await collect(child);
    expect(ended.code).toBe(0);
  });

  it('G-KEEP a killed launcher leaves a container, which cleanup removes, and the work, which it keeps', async () => {
    using world = new World();
    const child = world.spawn(inDocker('sh', '-c', 'echo precious > work; echo up; sleep 60'), options());
    await firstLine(child);
    const [slug = ''] = world.slugs();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await containersOf(world)).toHaveLength(1);
    const cleaned = await world.run(['cleanup', '--yes', '--json'], options());
    expect(JSON.parse(cleaned.stdout)).toMatchObject({ failed: [] });
    expect(await containersOf(world)).toEqual([]);
    expect(leftovers(world)).toEqual([]);
    const { stdout } = await world.run(['diff', slug], options());
    expect(stdout).toContain('precious');
  });

  it('gives the agent a terminal as large as the operator’s, and passes its keys on', async () => {
    using world = new World();
    const cli = `${process.execPath} ${path.resolve('dist/cli.js')}`;
    const command = `${cli} run --backend docker -- bash --norc; echo code=$?; sleep 60`;
    using terminal = new Terminal(world, command, environment());
    await terminal.sees(/\$/);
    terminal.enter('stty size; tty');
    await terminal.sees(/^30 100\n\/dev\/pts\/0/m);
    terminal.resize(90, 25);
    await expect
      .poll(() => {
        terminal.enter('clear; stty size');
        return terminal.screen();
      })
      .toMatch(/^25 90/m);
    terminal.enter('sleep 100');
    await terminal.sees(/sleep 100/);
    terminal.key('C-c');
    terminal.enter('echo back $((6 * 7)); exit 5');
    await terminal.sees(/^back 42/m);
    await terminal.sees(/^code=5/m);
  });

  it('says what to do where there is no engine', async () => {
    using world = new World();
    const result = await world.run(inDocker('true'), { env: { DOCKER_HOST: 'unix:///nonexistent.sock' } });
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('/nonexistent.sock');
    const remote = await world.run(inDocker('true'), { env: { DOCKER_HOST: 'tcp://192.0.2.1:2375' } });
    expect(remote.stderr).toContain('only an engine on this machine');
  });
});
