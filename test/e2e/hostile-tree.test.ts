import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { World } from './support/world.ts';

/** What the agent leaves in its trees is for nobody on the host to follow, read or run. */
const PLANT = [
  'set -e',
  'S=$1',
  'for d in "$HOME" "$PWD"; do cd "$d"',
  'ln -s "$S" link; ln -s "$(dirname "$S")" directory; mkdir -p deep && ln -s "../../../../../..$S" deep/up',
  'rm -rf .git && mkdir -p .git/hooks && printf "#!/bin/sh\\necho hooked > $S\\n" > .git/hooks/post-checkout && chmod +x .git/hooks/post-checkout',
  'printf "[core]\\n\\tfsmonitor = sh -c \\"echo watched > $S\\"\\n\\tbare = false\\n" > .git/config && echo "ref: refs/heads/main" > .git/HEAD',
  'mkdir -p .git/objects/info .git/refs && echo "$(dirname "$S")" > .git/objects/info/alternates',
  'mkfifo pipe || true',
  'cd ..; done',
].join('\n');

describe('S1 the host never walks in the agent’s trees', () => {
  it('a sentinel behind links, hooks, fsmonitor and alternates stays unread and unwritten through settle, list and cleanup', async () => {
    using world = new World();
    const sentinel = path.join(world.root, 'sentinel');
    fs.writeFileSync(sentinel, 'untouched\n');
    // A read would move the access time forward, for it lies before the modification time.
    fs.utimesSync(sentinel, new Date(1_000_000), new Date(2_000_000));
    const planted = await world.run(['run', '--', 'sh', '-c', PLANT, 'plant', sentinel]);
    expect(planted.code, planted.stderr).toBe(0);
    expect(world.slugs()).toHaveLength(1);
    await world.run(['list', '--all', '--json']);
    await world.run(['cleanup', '--yes']);
    expect(world.slugs()).toHaveLength(1);
    const removed = await world.run(['cleanup', '--preserved', '--yes']);
    expect(removed.code, removed.stderr).toBe(0);
    expect(world.slugs()).toEqual([]);
    expect(fs.statSync(sentinel).atimeMs).toBe(1_000_000);
    expect(fs.readFileSync(sentinel, 'utf8')).toBe('untouched\n');
  });
});
