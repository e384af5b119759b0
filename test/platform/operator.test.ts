import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { operator } from '../../src/platform/operator.ts';

const MODULE = pathToFileURL(path.resolve('src/platform/operator.ts')).href;
const PRINT = `import { operator } from '${MODULE}'; process.stdout.write(JSON.stringify(operator()));`;
const NO_ACCOUNT = 54_321;

describe('who starts us', () => {
  test('is who the system says', () => {
    expect(operator().uid).toBe(process.getuid?.());
    expect(operator().name).not.toBe('');
  });

  test.each([
    { env: { HOME: '/tmp/somewhere' }, home: '/tmp/somewhere' },
    { env: {}, home: '/nonexistent' },
  ])('may have no account, and then lives at $home', ({ env, home }) => {
    if (process.getuid?.() !== 0) return;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PRINT], {
      uid: NO_ACCOUNT,
      gid: NO_ACCOUNT,
      env,
      cwd: '/',
      encoding: 'utf8',
    });
    expect(stdout, stderr).not.toBe('');
    expect(JSON.parse(stdout)).toEqual({ uid: NO_ACCOUNT, gid: NO_ACCOUNT, name: String(NO_ACCOUNT), home });
  });
});
