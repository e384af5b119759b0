import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { commit, openGate, PLANTED } from './support/gate.ts';

it('clones, fetches, pulls and pushes as ever', async () => {
  await using gate = await openGate();
  const work = await gate.clone();
  expect(fs.readFileSync(path.join(work, 'README.md'), 'utf8')).toBe('# web\n');
  expect(await gate.must(['symbolic-ref', 'HEAD'], { cwd: work })).toBe('refs/heads/main');
  const tip = await commit(gate, work, { 'src/a.ts': 'export {};\n' });
  const pushed = await gate.git(['push', 'origin', 'HEAD:feature'], { cwd: work });
  expect(pushed.stderr).toContain('bot-bottle scanned 1 commit');
  expect(pushed.status, pushed.stderr).toBe(0);
  expect(await gate.must(['rev-parse', 'feature'], { cwd: gate.upstream })).toBe(tip);
  const other = await gate.clone('other');
  expect(await gate.must(['rev-parse', 'origin/feature'], { cwd: other })).toBe(tip);
  const next = await commit(gate, work, { 'b.txt': 'b\n' });
  await gate.must(['push', '-q', 'origin', 'HEAD:feature'], { cwd: work });
  await gate.must(['checkout', '-q', 'feature'], { cwd: other });
  await gate.must(['pull', '-q'], { cwd: other });
  expect(await gate.must(['rev-parse', 'HEAD'], { cwd: other })).toBe(next);
  expect(gate.bugs).toEqual([]);
  expect(gate.record.filter(({ event }) => event === 'push-ended')).toHaveLength(2);
});

it('G-PUSH refuses a push with a secret, says where it is, and sends nothing', async () => {
  await using gate = await openGate();
  const work = await gate.clone();
  await commit(gate, work, { 'config/dev.env': `A=1\nB=2\nTOKEN=${PLANTED}\n` });
  const pushed = await gate.git(['push', 'origin', 'HEAD:feature'], { cwd: work });
  expect(pushed.status).not.toBe(0);
  expect(pushed.stderr).toContain('config/dev.env:3');
  expect(pushed.stderr).toContain('github-');
  expect(pushed.stderr).toContain('(1 finding)');
  expect(pushed.stderr).not.toContain(PLANTED);
  expect(await gate.must(['for-each-ref', '--format=%(refname)'], { cwd: gate.upstream })).toBe('refs/heads/main');
  expect(gate.bugs).toEqual([]);
});
