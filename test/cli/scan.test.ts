import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';

/** Made here, so that no scanner of this repository finds it. */
const TOKEN = ['ghp', 'q8Zr3Vt6Lm1Xp9Kd4Wn7Hs2Bf5Yc0Gj8Ta3E'].join('_');
let folder = '';

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-scan-'));
  fs.mkdirSync(path.join(folder, 'deep'));
  fs.mkdirSync(path.join(folder, 'node_modules'));
  fs.writeFileSync(path.join(folder, 'clean.txt'), 'nothing\n');
  fs.writeFileSync(path.join(folder, 'deep', 'config.env'), `A=1\nTOKEN=${TOKEN}\n`);
  fs.writeFileSync(path.join(folder, 'node_modules', 'theirs.txt'), TOKEN);
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function scan(
  args: readonly string[],
  input = '',
): { readonly status: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(ROOT, 'src/cli/main.ts'), 'scan', ...args],
    {
      cwd: folder,
      input,
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
  return { status, out: stdout, err: stderr };
}

describe('scan', () => {
  it('names file, line, column and rule, and nothing of the credential', () => {
    const { status, out } = scan(['--json']);
    expect(status).toBe(3);
    expect(JSON.parse(out)).toEqual([
      {
        rule: 'github-pat',
        path: 'deep/config.env',
        line: 2,
        column: 7,
        fingerprint: expect.stringMatching(/^fp:[0-9a-f]{8}$/) as string,
      },
    ]);
    expect(out).not.toContain(TOKEN.slice(4, 12));
  });

  it.each([
    { args: ['clean.txt'], input: '', status: 0, why: 'a clean file' },
    { args: ['deep/config.env'], input: '', status: 3, why: 'a file' },
    { args: ['-'], input: `+ ${TOKEN}\n`, status: 3, why: 'what comes by stdin' },
    { args: ['-'], input: 'nothing', status: 0, why: 'nothing by stdin' },
    { args: ['missing'], input: '', status: 2, why: 'a file that is not there' },
    { args: ['main..HEAD'], input: '', status: 2, why: 'a range of commits, which git itself has to print' },
  ])('$why exits with $status', ({ args, input, status }) => {
    expect(scan(args, input).status).toBe(status);
  });
});
