import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { History, historyFile, historyProblem, noteInHistory, type Beginning } from '../../src/state/history.ts';

let home = '';
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'history-'));
});
afterEach(() => {
  fs.rmSync(home, { recursive: true });
});

const beginning = (slug: string, startedAt = '2026-01-01T00:00:00.000Z'): Beginning => ({
  slug,
  agent: 'reviewer',
  label: null,
  backend: 'bubblewrap',
  startedAt,
});
const END = '2026-01-01T01:00:00.000Z';

describe('what there was', () => {
  it('is kept with its end, newest first; a name that comes again is another bottle', () => {
    using history = History.open(home);
    history.begin(beginning('a', '2026-01-01T00:00:00.000Z'));
    history.end({ slug: 'a', outcome: 'preserved', exitCode: 3, endedAt: END });
    history.begin(beginning('b', '2026-01-02T00:00:00.000Z'));
    history.begin(beginning('a', '2026-01-03T00:00:00.000Z'));
    expect(history.list(10)).toEqual([
      { ...beginning('a', '2026-01-03T00:00:00.000Z'), outcome: 'running', endedAt: null, exitCode: null },
      { ...beginning('b', '2026-01-02T00:00:00.000Z'), outcome: 'running', endedAt: null, exitCode: null },
      { ...beginning('a', '2026-01-01T00:00:00.000Z'), outcome: 'preserved', endedAt: END, exitCode: 3 },
    ]);
  });

  it('a later end keeps the exit code that an earlier one told', () => {
    using history = History.open(home);
    history.begin(beginning('a'));
    history.end({ slug: 'a', outcome: 'preserved', exitCode: 3, endedAt: END });
    history.end({ slug: 'a', outcome: 'delivered', exitCode: null, endedAt: END });
    expect(history.list(1)).toMatchObject([{ outcome: 'delivered', exitCode: 3 }]);
  });

  it('is nobody else’s to read', () => {
    History.open(home)[Symbol.dispose]();
    expect(fs.statSync(historyFile(home)).mode & 0o777).toBe(0o600);
  });
});

describe('a file that is not as this version writes it', () => {
  it('a newer version is refused with what to do, and a launch goes on without', () => {
    History.open(home)[Symbol.dispose]();
    using database = new DatabaseSync(historyFile(home));
    database.exec('PRAGMA user_version = 99');
    expect(() => History.open(home)).toThrow(/was written by a newer version of bot-bottle/);
    noteInHistory(home, () => {
      throw new Error('it must not be opened');
    });
    expect(historyProblem(home)).toContain('newer version');
  });

  it.each([
    { what: 'text', content: Buffer.from('not a database, but long enough to be read as a page of one'.repeat(100)) },
    { what: 'noise', content: Buffer.alloc(8192, 0xa5) },
  ])('$what is put aside, and a new one begun', ({ content }) => {
    fs.writeFileSync(historyFile(home), content);
    noteInHistory(home, (history) => {
      history.begin(beginning('a'));
    });
    using history = History.open(home);
    expect(history.list(10)).toHaveLength(1);
    expect(fs.readFileSync(`${historyFile(home)}.damaged`)).toEqual(content);
  });

  it('a directory in its place hinders no launch, and is told', () => {
    fs.mkdirSync(historyFile(home));
    noteInHistory(home, (history) => {
      history.begin(beginning('a'));
    });
    expect(historyProblem(home)).not.toBeNull();
  });

  it('none at all is no problem', () => {
    expect(historyProblem(home)).toBeNull();
    expect(fs.existsSync(historyFile(home))).toBe(false);
  });
});

describe('many at once', () => {
  const WRITERS = 6;
  const EACH = 40;
  const start = (name: string): ChildProcess =>
    fork(path.resolve('test/state/fixtures/history-writer.ts'), [home, name, String(EACH)], { stdio: 'ignore' });

  it('lose nothing, from the first moment on', async () => {
    const exits = await Promise.all(Array.from({ length: WRITERS }, (_, at) => once(start(`w${String(at)}`), 'exit')));
    expect(exits.map(([code]) => code as unknown)).toEqual(Array.from({ length: WRITERS }, () => 0));
    using history = History.open(home);
    const rows = history.list(10_000);
    expect(rows).toHaveLength(WRITERS * EACH);
    expect(rows.every(({ outcome }) => outcome === 'discarded')).toBe(true);
  }, 60_000);

  it('one that is killed in the middle leaves a file that the next one reads and writes', async () => {
    const child = start('victim');
    const exit = once(child, 'exit');
    await once(child, 'message');
    child.kill('SIGKILL');
    await exit;
    expect(historyProblem(home)).toBeNull();
    using history = History.open(home);
    const before = history.list(10_000).length;
    history.begin(beginning('after'));
    expect(history.list(10_000)).toHaveLength(before + 1);
  }, 60_000);
});
