import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pollUntil } from '../../src/launch/readiness.ts';
import { answering, startOrigin } from '../egress/support/origin.ts';
import { Asking, HOST, worldWith } from './support/asking.ts';
import { collect } from './support/world.ts';

describe('an agent asks, a person decides', () => {
  it('S32 S33 H12 G-RECORD a yes is in force before it is told; the retry passes at the first try, and undo takes it back', async () => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    await using agent = new Asking(world);
    expect(await agent.request(`https://${HOST}/v1/things`)).toBe('000 403');
    const asking = agent.call('allow', {
      host: 'API.example.COM.',
      matches: [{ paths: [{ type: 'prefix', value: '/v1' }], methods: ['GET'] }],
      reason: 'to read the things',
    });
    const proposal = await agent.firstProposal();
    expect(proposal).toMatchObject({ title: `GET ${HOST}/v1…`, risk: 'low', status: 'pending', domain: 'example.com' });

    const blind = await world.run(['supervise', 'approve', proposal.id.slice(0, 8)]);
    expect([blind.code, blind.stderr]).toEqual([2, expect.stringContaining('--digest')]);
    const stale = await world.run(['supervise', 'approve', proposal.id, '--digest', 'f'.repeat(64)]);
    expect([stale.code, stale.stderr]).toEqual([1, expect.stringContaining('stale')]);
    const approved = await world.run([
      'supervise',
      'approve',
      proposal.id.slice(0, 8),
      '--digest',
      proposal.digest,
      '--note',
      'read only',
    ]);
    expect([approved.code, approved.stderr]).toEqual([0, expect.stringContaining('in force')]);

    const answer = await asking;
    expect(answer).toMatchObject({ status: 'approved', message: expect.stringContaining('read only') });
    expect(await agent.request(`https://${HOST}/v1/things`)).toBe('200 200');
    expect(await agent.request(`https://${HOST}/v2`)).toBe('403 200');
    expect(await agent.request(`-X POST https://${HOST}/v1/things`)).toBe('403 200');
    expect(await agent.call('list-egress-routes', {}).catch(String)).toBeTruthy();

    const twice = await world.run(['supervise', 'approve', proposal.id, '--digest', proposal.digest]);
    expect(twice.code).toBe(0);
    expect((await world.run(['supervise', 'undo', proposal.id.slice(0, 8)])).code).toBe(0);
    expect(await agent.request(`https://${HOST}/v1/things`)).toBe('000 403');
    expect((await agent.call('proposal-status', { id: answer.id })).status).toBe('undone');

    const shown = await world.run(['audit', 'show', 'run-']);
    expect(shown.stdout).toMatch(/operator {2}approving[\s\S]*operator {2}approved[\s\S]*operator {2}undone/);
  });

  it('S32 a no is told with its reason; what is too wide is refused at the call; the same ask is one', async () => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    await using agent = new Asking(world);
    for (const host of ['*.co.uk', '192.0.2.7', 'egress', '*', 'a b']) {
      expect(await agent.call('allow', { host, reason: 'x' }), host).toMatchObject({ status: 'refused', id: '' });
    }
    const asking = agent.call('allow', { host: HOST, reason: 'all of it' });
    const proposal = await agent.firstProposal();
    const rejected = await world.run(['supervise', 'reject', proposal.id.slice(0, 8), '--note', 'use the mirror']);
    expect(rejected.code).toBe(0);
    expect(await asking).toMatchObject({ status: 'rejected', message: expect.stringContaining('use the mirror') });
    expect(await agent.call('allow', { host: HOST, reason: 'other words' })).toMatchObject({ status: 'rejected' });
    expect(await agent.proposals('--all')).toMatchObject([{ count: 2, status: 'rejected' }]);
    const late = await world.run(['supervise', 'approve', proposal.id, '--digest', proposal.digest]);
    expect([late.code, late.stderr]).toEqual([1, expect.stringContaining('rejected already')]);
  });

  it('S34 what widens far needs its host typed, and a narrower yes is less', async () => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    await using agent = new Asking(world);
    const asking = agent.call('allow', { host: '*.example.com', reason: 'all of it' });
    const { id, digest, impact } = await agent.firstProposal();
    expect(impact).toMatchObject({ risk: 'high', confirm: true, narrower: [{ key: 'n1' }] });
    const untyped = await world.run(['supervise', 'approve', id, '--digest', digest, '--narrow', 'n1']);
    expect([untyped.code, untyped.stderr]).toEqual([1, expect.stringContaining('host typed')]);
    const none = await world.run([
      'supervise',
      'approve',
      id,
      '--digest',
      digest,
      '--narrow',
      'n7',
      '--host',
      '*.example.com',
    ]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('n7')]);
    const typed = await world.run([
      'supervise',
      'approve',
      id,
      '--digest',
      digest,
      '--narrow',
      'n1',
      '--host',
      '*.example.com',
    ]);
    expect(typed.stderr).toContain('in force');
    expect(await asking).toMatchObject({ status: 'approved', granted: { matches: [{ methods: ['GET', 'HEAD'] }] } });
    expect(await agent.request(`https://${HOST}/`)).toBe('200 200');
    expect(await agent.request(`-X POST https://${HOST}/`)).toBe('403 200');
  });

  it.each([
    { why: 'ANSI colours and a cleared screen', text: '\u001b[2J\u001b[31mapproved\u001b[0m' },
    { why: 'a window title', text: '\u001b]0;owned\u0007' },
    { why: 'a carriage return over the line', text: 'bad\rgood' },
    { why: 'lines that look like ours', text: 'x\n3f9a1c72  reviewer  approved' },
    { why: 'text turned round', text: '\u202egnp.exe\u2066' },
    { why: 'C1 control characters', text: '\u009b31m\u0085' },
    { why: 'zero-width characters', text: 'a\u200bb\ufeffc' },
    { why: 'a very long line', text: 'A'.repeat(1_990) },
    { why: 'HTML and Markdown', text: '<script>alert(1)</script> [click](https://evil.example) `x`' },
    { why: 'a known value', text: 'see rk_live_9XqT2ZwBn4Lk8Vd3 there' },
  ])('S34 what the agent writes stays in its own field: $why', async ({ text }) => {
    await using origin = await startOrigin(answering('yes'));
    using world = worldWith(origin);
    const alerts = path.join(world.root, 'alerts');
    await using agent = new Asking(world);
    const watch = world.spawn(['supervise', '--watch', '--exec', `cat >> ${alerts}`]);
    const watched = collect(watch);
    const asking = agent.call('allow', {
      host: HOST,
      matches: [{ paths: [{ type: 'exact', value: `/${text}` }] }],
      reason: text,
    });
    const { id, digest } = await agent.firstProposal();
    await pollUntil('the alert', 20_000, () => (fs.existsSync(alerts) ? true : null));
    const outputs = [
      await world.run(['supervise', 'list']),
      await world.run(['supervise', 'show', id]),
      await world.run(['supervise', 'reject', id, '--note', 'no']),
      await world.run(['supervise', 'list', '--all']),
      await world.run(['audit', 'show', 'run-']),
      await world.run(['logs', world.slugs()[0] ?? '']),
    ];
    watch.kill('SIGTERM');
    outputs.push({ ...(await watched), stderr: '' });
    await asking;
    for (const { stdout, stderr } of outputs) {
      const said = `${stdout}${stderr}`.replaceAll('\u0007', '');
      expect(said).not.toMatch(
        /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u,
      );
      expect(said).not.toContain('rk_live_9XqT2ZwBn4Lk8Vd3');
      for (const line of said.split('\n')) expect(line.length).toBeLessThan(1_200);
    }
    const alert = fs.readFileSync(alerts, 'utf8');
    expect(alert.split('\n')).toHaveLength(2);
    expect(alert).not.toContain('://');
    expect(z.looseObject({ id: z.string(), digest: z.string() }).parse(JSON.parse(alert))).toMatchObject({
      id,
      digest,
    });
  });
});
