import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { collect } from './support/world.ts';

describe('npm run demo', () => {
  it('G-NET G-DENY G-ONE G-SECRET G-LEAK tries ten ways out, lets none through, and cleans up', async () => {
    const demo = path.resolve('scripts/demo.ts');
    const { code, stdout, stderr } = await collect(
      spawn(process.execPath, [demo], { env: { ...process.env, CI: '1' } }),
    );
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain(
      '10 ways out tried, 0 got through. The API saw the real token 3 times; the bottle never had it.',
    );
    expect(stdout.match(/^ .* {3}G-[A-Z]+$/gm)).toHaveLength(10);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('bot-bottle-demo-'))).toEqual([]);
  });
});
