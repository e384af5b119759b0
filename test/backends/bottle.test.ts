import { describe, expect, test } from 'vitest';
import { startBottle } from './support/bottle.ts';

describe('a bottle', () => {
  test('runs a program and passes on its output and exit code', async () => {
    await using started = await startBottle();
    const finished = await started.run(['sh', '-c', 'cat; echo hello; echo oops >&2; exit 7'], {}, 'input\n');
    expect(finished).toEqual({ exitCode: 7, signal: null, stdout: 'input\nhello\n', stderr: 'oops\n' });
  });
});
