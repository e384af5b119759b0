import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { childrenOf, processTree } from '../../src/platform/processes.ts';
import { holdConnection, identities, startTestBundle, gone, type TestBundle } from './support/bundle.ts';

interface Who {
  readonly instance: string;
  readonly secret: string;
}
const who = async (bundle: TestBundle): Promise<Who> => (await bundle.ask({ ask: 'who' })) as Who;

/** The instance after this one; who is told to end resets what it has not answered. */
function next(test: TestBundle, than: Who): Promise<Who> {
  return pollUntil('the next instance', 20_000, async () => {
    const now = await who(test).catch(() => than);
    return now.instance === than.instance ? null : now;
  });
}

/** The trees of init and of the service, outermost process first: box, first process of its namespace, ours. */
function trees({ bundle }: TestBundle): { readonly init: readonly number[]; readonly service: readonly number[] } {
  const [init = 0, , , service = 0] = bundle.pids();
  return { init: processTree(init), service: processTree(service) };
}

function until(bundle: TestBundle, line: string): Promise<unknown> {
  return pollUntil(`the log line "${line}"`, 20_000, () =>
    bundle.logs.some((said) => said.includes(line)) ? true : null,
  );
}

describe('a bundle of real processes', () => {
  it('H11 comes up, logs under its name, and a stop that was asked for ends everything with 0', async () => {
    await using test = await startTestBundle();
    await test.bundle.ready;
    const all = identities(test.bundle.pids());
    expect(all).toHaveLength(6);
    expect(await test.bundle.stop()).toEqual({ status: 0, reason: 'stop requested', requested: true });
    await gone(all);
    expect(test.bundle.pids()).toEqual([]);
    expect(test.logs).toEqual(['egress: starting as asked: serve', 'egress: draining']);
    expect(await test.bundle.stop()).toMatchObject({ status: 0 });
  });

  it('a killed service comes back on the same listener, and who asked meanwhile is answered', async () => {
    await using test = await startTestBundle();
    await test.bundle.ready;
    const before = await who(test);
    const { service } = trees(test);
    const killed = identities(service);
    process.kill(service.at(-1)!, 'SIGKILL');
    await gone(killed);
    expect((await who(test)).instance).not.toBe(before.instance);
    expect(test.logs).toContain('init: egress ended unasked (killed by SIGKILL)');
    expect(await test.bundle.stop()).toMatchObject({ status: 0 });
  });

  it('H11 crashes that were healed do not show in the status of the stop', async () => {
    await using test = await startTestBundle();
    await test.bundle.ready;
    for (let round = 0; round < 3; round += 1) {
      const now = await pollUntil('an answer', 20_000, () => who(test).catch(() => null));
      process.kill(trees(test).service[0]!, 'SIGKILL');
      await next(test, now);
    }
    expect(await test.bundle.stop()).toEqual({ status: 0, reason: 'stop requested', requested: true });
  });

  it('H11 a service that cannot come back ends the bundle, which says why, in its own last words too', async () => {
    await using test = await startTestBundle({ mode: 'crash' });
    await expect(test.bundle.ready).rejects.toMatchObject({
      code: 'not_ready',
      message: expect.stringMatching(
        /^the bundle ended before it was ready: egress can't come back: it ended 6 times within 60 s, last exit 3; last words:\n(.*\n)*.*egress: the disk is on fire/,
      ),
    });
    await expect(test.bundle.probeSeen).rejects.toMatchObject({ code: 'bundle_ended' });
    expect(await test.bundle.ended).toMatchObject({ status: 1, requested: false });
  });

  it('a service that is late is named, with its last words', async () => {
    await using test = await startTestBundle({ mode: 'hang', readyTimeoutMs: 3_000 });
    await expect(test.bundle.ready).rejects.toMatchObject({
      message: 'egress was not ready within 3 s; last words:\n  egress: starting as asked: hang',
    });
    expect(await test.bundle.stop()).toMatchObject({ status: 0 });
  });

  it.each([
    { why: 'init itself', pick: (tree: readonly number[]) => tree.at(-1)! },
    { why: 'the box around it', pick: (tree: readonly number[]) => tree[0]! },
  ])('kill -9 of $why: the services drain and end, and the bundle says why', async ({ pick }) => {
    await using test = await startTestBundle();
    await test.bundle.ready;
    const all = identities(test.bundle.pids());
    const connection = await holdConnection(test.port);
    process.kill(pick(trees(test).init), 'SIGKILL');
    expect(await test.bundle.ended).toEqual({
      status: 1,
      reason: 'init ended unasked (killed by SIGKILL)',
      requested: false,
    });
    await connection.closed;
    expect(connection.lines).toEqual(['held', 'drained']);
    await gone(all);
  });

  it('H11 a service that does not end is killed after its grace, and the stop counts as forced', async () => {
    await using test = await startTestBundle({ mode: 'stubborn' });
    await test.bundle.ready;
    const all = identities(test.bundle.pids());
    expect(await test.bundle.stop()).toEqual({ status: 1, reason: 'stop requested', requested: true });
    await gone(all);
  });

  it('H12 an init that does not answer can not hold the stop up for ever', async () => {
    await using test = await startTestBundle();
    await test.bundle.ready;
    const all = identities(test.bundle.pids());
    process.kill(trees(test).init.at(-1)!, 'SIGSTOP');
    expect(await test.bundle.stop()).toEqual({ status: 1, reason: 'init did not stop in time', requested: true });
    await gone(all);
  });

  it.each([0, 1, 2, 3, 4, 5, 6])('a stop while %d processes of it exist leaves none', async (count) => {
    const before = childrenOf(process.pid).length;
    await using test = await startTestBundle();
    await pollUntil('the processes', 20_000, () => (test.bundle.pids().length >= count ? true : null));
    const exit = await test.bundle.stop();
    expect(exit).toEqual({ status: 0, reason: 'stop requested', requested: true });
    await pollUntil('the end of every process', 10_000, () =>
      childrenOf(process.pid).length === before ? true : null,
    );
  });

  it('a restart that is asked for is no crash; a new document is for the next instance and those after it', async () => {
    await using test = await startTestBundle({ secret: 'first' });
    await test.bundle.ready;
    const first = await who(test);
    test.bundle.restart('egress');
    test.bundle.restart('egress');
    const second = await next(test, first);
    expect(second.secret).toBe(first.secret);
    test.bundle.replaceDocument('egress', JSON.stringify({ mode: 'serve', secret: 'changed' }));
    expect((await who(test)).instance).toBe(second.instance);
    test.bundle.restart('egress');
    const third = await next(test, second);
    expect(third.secret).not.toBe(first.secret);
    process.kill(trees(test).service.at(-1)!, 'SIGKILL');
    expect((await next(test, third)).secret).toBe(third.secret);
    expect(test.logs.filter((line) => line.startsWith('init:'))).toHaveLength(1);
  });

  it('a log line without end is cut and says so, and control characters do not reach the log', async () => {
    await using test = await startTestBundle({ mode: 'long-log' });
    await test.bundle.ready;
    await until(test, 'normal');
    expect(test.logs.filter((line) => line.startsWith('egress: xxx')).map((line) => line.slice(-30))).toEqual([
      `${'x'.repeat(11)}… (134464 more bytes)`.slice(-30),
    ]);
    expect(test.logs.find((line) => line.includes('normal'))).toBe('egress: back to \ufffd]0;normal\ufffd');
    await expect(who(test)).resolves.toMatchObject({ instance: expect.any(String) });
  });

  it('a service that reports a line without end is ended, and so the bundle in the end', async () => {
    await using test = await startTestBundle({ mode: 'long-status' });
    expect(await test.bundle.ended).toMatchObject({ status: 1, reason: expect.stringContaining("can't come back") });
    expect(test.logs).toContain('bundle: egress is ended: it reported a line that is too long');
  });

  it.each([
    { why: 'there is no such program', init: ['/nonexistent/init'], reason: /^init can't be started: .*ENOENT/ },
    {
      why: 'it ends at once',
      init: ['/bin/sh', '-c', 'echo no >&2; exit 4'],
      reason: /^init ended unasked \(exit 4\)$/,
    },
    {
      why: 'it orders nonsense',
      init: ['/bin/sh', '-c', 'echo \'{"order":"dance"}\' >&3; exec sleep 60'],
      reason: /^init ordered what nobody knows/,
    },
    {
      why: 'it orders a service twice',
      init: [
        '/bin/sh',
        '-c',
        'o=\'{"order":"spawn","service":"egress","instance":1,"document":"{}"}\'; echo "$o" >&3; echo "$o" >&3; exec sleep 60',
      ],
      reason: /^init ordered a egress that can't be: one lives$/,
    },
  ])('an init that is none ends the bundle: $why', async ({ init, reason }) => {
    await using test = await startTestBundle({ init });
    expect(await test.bundle.ended).toMatchObject({
      status: 1,
      reason: expect.stringMatching(reason),
      requested: false,
    });
    await expect(test.bundle.ready).rejects.toMatchObject({ code: 'not_ready' });
  });
});

describe('where bubblewrap is missing', () => {
  it('the bundle runs without a box, says so, and stops in order', async () => {
    await using test = await startTestBundle({ unboxed: true });
    await test.bundle.ready;
    expect(test.logs).toEqual([
      'bundle: egress runs without a sandbox: bubblewrap is missing',
      'bundle: init runs without a sandbox, and so with a network: bubblewrap is missing',
      'egress: starting as asked: serve',
    ]);
    const all = identities(test.bundle.pids());
    expect(all).toHaveLength(2);
    expect(await test.bundle.stop()).toMatchObject({ status: 0 });
    await gone(all);
  });
});
