import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { answering, startOrigin } from '../egress/support/origin.ts';
import { AGENT, Asking, HOST, worldWith } from './support/asking.ts';
import { innermost } from './support/innermost.ts';

const VALUES = ['tok_live_Hx93QmZ2Lp7Rt5Vw', 'rk_live_9XqT2ZwBn4Lk8Vd3'];
const ASK = { host: HOST, matches: [{ methods: ['GET'] }], reason: 'to read' };

/** Every byte that a process can write to, and so may have put something into. */
function memoryOf(pid: number): Buffer {
  const maps = fs.readFileSync(`/proc/${String(pid)}/maps`, 'utf8').split('\n');
  const memory = fs.openSync(`/proc/${String(pid)}/mem`, 'r');
  try {
    const areas = maps.flatMap((line) => {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) return [];
      const bytes = Buffer.alloc(Number(BigInt(`0x${to}`) - BigInt(`0x${from}`)));
      const read = readAt(memory, bytes, BigInt(`0x${from}`));
      return [bytes.subarray(0, read)];
    });
    return Buffer.concat(areas);
  } finally {
    fs.closeSync(memory);
  }
}

function readAt(memory: number, bytes: Buffer, position: bigint): number {
  try {
    return fs.readSync(memory, bytes, 0, bytes.length, position);
  } catch {
    // Reserved, and nothing there.
    return 0;
  }
}

const supervise = (agent: Asking): Promise<number> =>
  pollUntil('the supervise service', 20_000, () => innermost(agent.child, 'supervise'));

describe('the supervise service in its box', () => {
  it('S8 G-SECRET holds no credential: not in memory, environment or files, and not the record', async () => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    world.bottle(
      'api',
      `env: {INSIDE_KEY: "\${INSIDE_KEY}"}\negress:\n  routes:\n    - {host: ${HOST}, auth: {scheme: Bearer, token_ref: API_TOKEN}, matches: [{methods: [HEAD]}]}`,
    );
    await using agent = new Asking(world);
    const asking = agent.call('allow', ASK);
    const proposal = await agent.firstProposal();
    expect(proposal.impact.credential).toBe('API_TOKEN');
    const pid = await supervise(agent);
    const memory = memoryOf(pid);
    expect(memory.includes(proposal.id)).toBe(true);
    for (const value of VALUES) {
      expect(memory.includes(value)).toBe(false);
      expect(memory.includes(Buffer.from(value, 'utf16le'))).toBe(false);
      expect(fs.readFileSync(`/proc/${String(pid)}/environ`).includes(value)).toBe(false);
    }
    const open = fs
      .readdirSync(`/proc/${String(pid)}/fd`)
      .map((fd) => fs.readlinkSync(`/proc/${String(pid)}/fd/${fd}`));
    expect(open.filter((target) => target.endsWith('.jsonl'))).toEqual([]);
    await world.run(['supervise', 'reject', '--all']);
    await asking;
  });

  it('H12 killed with -9 it comes back, and what was asked still waits', async () => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    await using agent = new Asking(world);
    const cut = agent.call('allow', ASK).catch(() => 'cut');
    const proposal = await agent.firstProposal();
    const before = await supervise(agent);
    process.kill(before, 'SIGKILL');
    await cut;
    await pollUntil('its successor', 30_000, () => {
      const now = innermost(agent.child, 'supervise');
      return now !== null && now !== before ? now : null;
    });
    const again = agent.call('allow', ASK);
    await pollUntil('the second ask', 30_000, async () => ((await agent.proposals())[0]?.count === 2 ? true : null));
    const approved = await world.run(['supervise', 'approve', proposal.id, '--digest', proposal.digest]);
    expect(approved.stderr).toContain('in force');
    expect(await again).toMatchObject({ status: 'approved', id: proposal.id });
    expect(await agent.request(`https://${HOST}/`)).toBe('200 200');
  });

  it('S33 a yes for the bottle holds when it is resumed, and one for its run does not', async () => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    const started = ['run', '--bottle', 'api', '--workspace', 'none', '--', 'sh', '-c', `${AGENT}; exit 3`];
    const kept = { host: HOST, matches: [{ paths: [{ type: 'prefix', value: '/kept' }] }], reason: 'x' };
    const gone = { host: HOST, matches: [{ paths: [{ type: 'prefix', value: '/gone' }] }], reason: 'x' };
    {
      await using agent = new Asking(world, started);
      for (const [ask, scope] of [
        [kept, 'bottle'],
        [gone, 'run'],
      ] as const) {
        const asking = agent.call('allow', ask);
        const { id, digest } = await agent.firstProposal();
        const approved = await world.run(['supervise', 'approve', id, '--digest', digest, '--scope', scope]);
        expect(approved.stderr).toContain('in force');
        await asking;
      }
      expect(await agent.request(`https://${HOST}/gone`)).toBe('200 200');
    }
    await using resumed = new Asking(world, ['resume', world.slugs()[0] ?? '']);
    expect(await resumed.request(`https://${HOST}/kept`)).toBe('200 200');
    expect(await resumed.request(`https://${HOST}/gone`)).toBe('403 200');
    const all = await resumed.proposals('--all');
    expect(all.map(({ status }) => status).toSorted()).toEqual(['approved', 'lapsed']);
  });
});
