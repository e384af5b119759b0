import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pollUntil } from '../../src/launch/readiness.ts';
import { firstLine, World } from './support/world.ts';

const VERDICTS = z.array(z.looseObject({ place: z.string(), verdict: z.string(), records: z.int().nullable() }));

const NAMES = Array.from({ length: 20 }, (_, index) => `refused-${String(index)}.example`);
const ASK = NAMES.map((name) => `curl -s -m 10 -o /dev/null http://${name}/`).join('; ');

async function verdicts(world: World): Promise<z.infer<typeof VERDICTS>> {
  return VERDICTS.parse(JSON.parse((await world.run(['audit', 'verify', '--json'])).stdout));
}

function partOf(place: string): string {
  return path.join(place, '0001.jsonl');
}

describe('the record of a bottle', () => {
  it('S35 G-RECORD outlives it, sealed, with every decision in it', async () => {
    using world = new World();
    const ran = await world.run(['run', '--', 'sh', '-c', ASK]);
    expect(ran.stderr).toBe('');
    expect(world.slugs()).toEqual([]);
    const [verdict] = await verdicts(world);
    expect(verdict).toMatchObject({ verdict: 'sealed', key: 'host' });
    const shown = await world.run(['audit', 'show', 'run-']);
    for (const name of NAMES) expect(shown.stdout).toContain(`GET ${name}/`);
    const exported = await world.run(['audit', 'export', '--format', 'csv']);
    expect(exported.stdout.split('\n')[0]).toMatch(/^seq,at,kind,/);
    expect(exported.stdout).toContain('deny');
    expect((await world.run(['audit', 'verify'])).code).toBe(0);
  });

  it('S35 a record that is cut behind its seal, or edited, is told from a whole one', async () => {
    using world = new World();
    await world.run(['run', '--', 'sh', '-c', ASK]);
    const place = (await verdicts(world))[0]?.place ?? '';
    const file = partOf(place);
    const whole = fs.readFileSync(file, 'utf8');
    const lines = whole.trimEnd().split('\n');
    const elsewhere = path.join(world.root, 'copy.jsonl');

    fs.writeFileSync(file, `${lines.slice(0, -2).join('\n')}\n`);
    const cut = await world.run(['audit', 'verify']);
    expect(cut.stdout).toContain('2 records are missing that this host knows of');
    expect(cut.code).toBe(1);

    fs.writeFileSync(file, whole.replace(NAMES[3] ?? '', 'innocent.example'));
    expect((await world.run(['audit', 'verify'])).code).toBe(1);
    const refused = await world.run(['audit', 'export']);
    expect([refused.code, refused.stdout]).toEqual([1, '']);

    fs.writeFileSync(file, whole);
    fs.writeFileSync(elsewhere, whole);
    const key = path.join(world.home, 'audit.pub');
    expect((await world.run(['audit', 'verify', elsewhere, '--key', key])).code).toBe(0);
    fs.rmSync(path.join(world.home, 'bot-bottle.db'), { force: true });
    fs.writeFileSync(file, `${lines.slice(0, -1).join('\n')}\n`);
    const open = await world.run(['audit', 'verify']);
    expect(open.stdout).toMatch(/^open: \d+ records, no signed head/);
    expect(open.code).toBe(4);
    expect((await world.run(['audit', 'verify', '--allow-open'])).code).toBe(0);
  });

  it('S35 G-RECORD a launcher that is killed leaves an open one, and cleanup takes over the rest and seals it', async () => {
    using world = new World();
    const child = world.spawn(['run', '--', 'sh', '-c', `${ASK}; echo asked; sleep 60`]);
    expect(await firstLine(child)).toBe('asked');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect((await verdicts(world))[0]?.verdict).toBe('open');
    await pollUntil('a cleanup that finds it', 20_000, async () => {
      await world.run(['cleanup', '--yes']);
      return (await verdicts(world))[0]?.verdict === 'sealed' ? true : null;
    });
    const shown = await world.run(['audit', 'show', 'run-']);
    for (const name of NAMES) expect(shown.stdout).toContain(`GET ${name}/`);
  });
});
