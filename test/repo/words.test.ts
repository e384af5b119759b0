import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';

/** Spelled in pieces, so that this file does not hold what it looks for. */
const FORBIDDEN: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "a path of one machine's", pattern: new RegExp(`/${'work'}/(main|shared)|/tmp/${'team'}|/root/[.]pyenv`) },
  {
    what: "somebody's home directory",
    pattern: /\/(home|Users)\/(?!agent\b|you\b|me\b|alice\b|operator\b|user\b)[a-z][\w.-]*\//,
  },
  { what: 'an unfinished place', pattern: new RegExp(`\\b(${'TO'}DO|${'FIX'}ME|${'XX'}X)\\b`) },
  { what: 'a test that hides others', pattern: new RegExp(`\\b(it|test|describe)[.]${'only'}\\(`) },
  { what: "an issue's number", pattern: new RegExp(`\\b(issue|pull request|PR) ?${'#'}?\\d+\\b`, 'i') },
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
  it.each(FORBIDDEN)('$what', ({ pattern }) => {
    const found = texts.flatMap(({ file, text }) =>
      text
        .split('\n')
        .flatMap((line, index) => (pattern.test(line) ? [`${file}:${String(index + 1)}: ${line.trim()}`] : [])),
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
