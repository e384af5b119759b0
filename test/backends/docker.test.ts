import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { dockerBackend } from '../../src/backends/docker/backend.ts';
import { WALLS, type Wall } from '../../src/backends/docker/plan.ts';
import { nodeRuntime } from '../../src/backends/docker/runtime-files.ts';
import { DockerEngine } from '../../src/platform/docker/engine.ts';
import { noEngine, testEngine, type TestEngine } from '../stand-ins/engine.ts';
import { startBottle, testPlan, type TestBottle, type TestBottleOptions } from './support/bottle.ts';
import { describeContract } from './support/contract.ts';

const MADE_MS = 300_000;
const missing = noEngine();
let engine: TestEngine = { socketPath: '', image: '' };

beforeAll(async () => {
  if (missing === null) engine = await testEngine();
}, MADE_MS);

const start = (options: TestBottleOptions = {}, withoutWall?: Wall): Promise<TestBottle> =>
  startBottle({ ...options, docker: { ...engine, ...(withoutWall === undefined ? {} : { withoutWall }) } });

describeContract({
  name: 'docker',
  missing: () => missing,
  node: [
    `/opt/bot-bottle/lib/${nodeRuntime().loader ?? ''}`,
    '--library-path',
    '/opt/bot-bottle/lib',
    '/opt/bot-bottle/node',
  ],
  start,
});

const it = (title: string, body: () => Promise<void>): void => {
  test(title, async (context) => {
    if (missing !== null) context.skip(missing);
    await body();
  });
};

/** The check that names the missing wall; others may fail with it. */
const NAMED_BY: Readonly<Record<Wall, string>> = {
  caps: 'caps-empty',
  network: 'net-namespace-own',
  'no-new-privileges': 'no-new-privs',
  pidns: 'pid-namespace-own',
  'read-only-system': 'mounts-read-only',
  seccomp: 'seccomp-on',
  uid: 'uid-own',
};

describe('S4 a container is proved before the agent starts', () => {
  it('G-CONFINED with every wall in place all checks hold, from inside and from outside', async () => {
    await using started = await start();
    const { held, checks } = await started.prove();
    expect(checks.filter((check) => !check.held)).toEqual([]);
    expect(held).toBe(true);
    expect(new Set(checks.map(({ from }) => from))).toEqual(new Set(['inside', 'outside']));
    expect(checks.length).toBeGreaterThan(25);
  });

  for (const wall of WALLS) {
    it(`S4 G-CONFINED without the wall "${wall}" the proof fails and names it`, async () => {
      await using started = await start({}, wall);
      const proof = await started.prove(5_000);
      expect(proof.held).toBe(false);
      expect(proof.checks.filter((check) => !check.held).map(({ id }) => id)).toContain(NAMED_BY[wall]);
      const command = { argv: ['true'], env: {}, cwd: '/', ownTerminal: false };
      await expect(started.bottle.run(command)).rejects.toThrow('proof');
    });
  }

  it('S4 a gateway that never sees the nonce is no proof', async () => {
    await using started = await start({ silentGateway: true });
    const { held, checks } = await started.prove(3_000);
    expect(held).toBe(false);
    expect(checks.find(({ id }) => id === 'gateway-saw-probe')?.held).toBe(false);
  });
});

describe('a bottle of docker', () => {
  it('S6b runs as a user of its own, who is the same on the host and not root', async () => {
    await using started = await start();
    const uid = started.bottle.hostUid;
    expect(uid).not.toBe(0);
    const { stdout } = await started.run(['sh', '-c', 'id -u; id -un; cat /etc/resolv.conf; touch /root/x /x 2>&1']);
    expect(stdout).toContain(`${String(uid)}\nagent\nnameserver 127.0.0.2\n`);
    expect(stdout).toMatch(/\/root\/x.*denied/);
    expect(stdout).toMatch(/\/x.*Read-only/);
    expect(fs.statSync(path.join(started.root, 'home')).uid).toBe(uid);
  });

  it('keeps no container, no copy of its output and no value of the environment in the engine', async () => {
    const started = await start();
    const api = new DockerEngine(engine.socketPath);
    const slug = String(started.journal.find(({ step }) => step === 'bottle-container')?.detail['container']);
    const { body } = await api.send({ method: 'GET', path: `/containers/${slug}/json` });
    const finished = await started.run(['sh', '-c', 'echo "$TOKEN" | rev'], { TOKEN: 'planted-value-8842' });
    expect(finished.stdout.trim()).toBe('2488-eulav-detnalp');
    const after = await api.send({ method: 'GET', path: `/containers/${slug}/json` });
    for (const text of [body, after.body]) expect(text).not.toContain('planted-value');
    const found = filesWith(path.dirname(engine.socketPath), 'planted-value-8842');
    expect(found).toEqual([]);
    await started[Symbol.asyncDispose]();
    expect((await api.send({ method: 'GET', path: `/containers/${slug}/json`, accept: [404] })).status).toBe(404);
  });

  it('says which image is missing and how to get it', async () => {
    const backend = dockerBackend({ ...engine, image: 'nobody/has-this:1', runtimeDirectory: () => '/nonexistent' });
    await expect(backend.plan(testPlan())).rejects.toThrow('the engine has no image nobody/has-this:1');
  });

  it('holds a limit on memory and says so', async () => {
    await using started = await start({ plan: { resources: { memoryBytes: 64 * 1024 * 1024, strict: false } } });
    const { exitCode, reached } = await started.run(['sh', '-c', 'x=a; while :; do x=$x$x; done']);
    expect(exitCode).toBe(137);
    expect(reached).toEqual([{ resource: 'memory', limit: 64 * 1024 * 1024 }]);
  });

  it('holds a limit on processes', async () => {
    await using started = await start({ plan: { resources: { pids: 40, strict: false } } });
    const script = 'i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; echo all';
    expect((await started.run(['sh', '-c', script])).stdout).not.toContain('all');
  });

  for (const mount of ['/', '/etc', '/proc/1', '/run/dbus', '/home/agent/x']) {
    it(`refuses to mount ${mount}`, async () => {
      const backend = dockerBackend({ ...engine, runtimeDirectory: () => '/nonexistent' });
      await expect(backend.plan(testPlan({ mounts: [{ path: mount, mode: 'ro' }] }))).rejects.toThrow('mounted');
    });
  }
});

/** Files of the engine that hold the value, the layers of images apart. */
function filesWith(directory: string, value: string): readonly string[] {
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === 'overlay2' ? [] : filesWith(file, value);
    return entry.isFile() && holds(file, value) ? [file] : [];
  });
}

/** The kernel's own files among them can't all be read. */
function holds(file: string, value: string): boolean {
  try {
    return fs.readFileSync(file).includes(value);
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return false;
    throw failure;
  }
}

test('an engine that is not there makes the backend unavailable, with the reason', async () => {
  const backend = dockerBackend({
    socketPath: '/nonexistent/docker.sock',
    image: 'any',
    runtimeDirectory: () => '/nonexistent',
  });
  expect(await backend.probe()).toMatchObject({ available: false, why: expect.stringContaining('/nonexistent') });
});
