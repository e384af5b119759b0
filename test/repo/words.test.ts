import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';

/** System directories hold clones too, and are named for other reasons. */
const COMMON = ['/', '/tmp', '/root', '/home', '/opt', '/srv', '/usr/src'];
const neighbourhood = path.dirname(ROOT);

/** Each pattern has a class of one letter somewhere, so that it does not find itself. */
const FORBIDDEN: readonly { readonly what: string; readonly isIn: (line: string) => boolean }[] = [
  {
    what: 'the place of this clone, or of its neighbours',
    isIn: (line) => !COMMON.includes(neighbourhood) && line.includes(`${neighbourhood}/`),
  },
  { what: 'an unfinished place', isIn: (line) => /\b(TOD[O]|FIXM[E]|XX[X])\b/.test(line) },
  { what: 'a test that hides others', isIn: (line) => /\b(it|test|describe)[.]onl[y]\(/.test(line) },
  { what: "an issue's number", isIn: (line) => /\b(issue|pull request|PR) ?#?\d+\b/i.test(line) },
];

/** Everything that git tracks or would track, but what is not ours to write. */
function ourFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const files = listed.split('\0').filter((file) => file !== '' && file !== 'package-lock.json' && file !== 'LICENSE');
  return files.filter((file) => fs.existsSync(path.join(ROOT, file)));
}

const texts = ourFiles().map((file) => ({ file, text: fs.readFileSync(path.join(ROOT, file), 'utf8') }));

describe('no file of the repository holds', () => {
  it.each(FORBIDDEN)('$what', ({ isIn }) => {
    const found = texts.flatMap(({ file, text }) =>
      text.split('\n').flatMap((line, index) => (isIn(line) ? [`${file}:${String(index + 1)}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it('a file as large as a mistake', () => {
    const large = ourFiles().filter((file) => fs.statSync(path.join(ROOT, file)).size > 1024 * 1024);
    expect(large).toEqual([]);
  });
});

describe('H7 no source file does many jobs', () => {
  it('has no module of more than 400 lines', () => {
    const long = texts.filter(({ file, text }) => file.startsWith('src/') && text.split('\n').length > 400);
    expect(long.map(({ file }) => file)).toEqual([]);
  });
});
