import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { leftovers } from './support/leftovers.ts';
import { World } from './support/world.ts';

const IS_ROOT = process.getuid?.() === 0;
const NOBODY = 65534;

function git(world: World, ...args: readonly string[]): string {
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@acme.example', '-c', 'safe.directory=*'];
  return execFileSync('git', [...identity, ...args], {
    cwd: world.project,
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  });
}

/** A project with a repository in it. */
function repository(): World {
  const world = new World();
  fs.writeFileSync(path.join(world.project, 'a.txt'), 'one\n');
  fs.mkdirSync(path.join(world.project, 'src'));
  fs.writeFileSync(path.join(world.project, 'src/old.txt'), 'old\n');
  fs.writeFileSync(path.join(world.project, '.gitignore'), 'build/\n');
  git(world, 'init', '--quiet', '--initial-branch=main');
  git(world, 'add', '--all');
  git(world, 'commit', '--quiet', '--message', 'Begin');
  return world;
}

const read = (world: World, file: string): string => fs.readFileSync(path.join(world.project, file), 'utf8');
const only = (world: World): string => {
  const slugs = world.slugs();
  expect(slugs).toHaveLength(1);
  return slugs[0] ?? '';
};
const COMMIT = 'git -c user.name=Bot -c user.email=bot@acme.example commit --quiet --all --message';

describe('work in a copy', () => {
  it('comes home by deliver: files, deletions, links, and commits as a branch; then the state is gone', async () => {
    using world = repository();
    const script = `echo two >> a.txt; rm src/old.txt; mkdir -p new/deep; echo x > new/deep/f; ln -s ../a.txt new/l; ${COMMIT} Work`;
    expect((await world.run(['run', '--', 'sh', '-c', script])).code).toBe(0);
    const slug = only(world);
    const shown = await world.run(['diff', slug]);
    expect(shown.stdout).toContain('-old\n');
    expect(shown.stdout).toContain('+two\n');
    const delivered = await world.run(['deliver', slug, '--yes', '--json']);
    expect(JSON.parse(delivered.stdout)).toMatchObject({
      written: ['a.txt', 'new/deep/f', 'new/l'],
      deleted: ['src/old.txt'],
      branches: [`bot-bottle/${slug}`],
      conflicts: [],
      removed: true,
    });
    expect(read(world, 'a.txt')).toBe('one\ntwo\n');
    expect(fs.existsSync(path.join(world.project, 'src/old.txt'))).toBe(false);
    expect(fs.readlinkSync(path.join(world.project, 'new/l'))).toBe('../a.txt');
    expect(git(world, 'log', '--format=%s', `bot-bottle/${slug}`).trim().split('\n')).toEqual(['Work', 'Begin']);
    expect(git(world, 'symbolic-ref', 'HEAD').trim()).toBe('refs/heads/main');
    expect(world.slugs()).toEqual([]);
    expect(leftovers(world)).toEqual([]);
  });

  it('never writes over what the operator changed meanwhile, and says so', async () => {
    using world = repository();
    await world.run(['run', '--', 'sh', '-c', 'echo theirs > a.txt; echo new > n.txt; echo mine > clash.txt']);
    const slug = only(world);
    fs.writeFileSync(path.join(world.project, 'a.txt'), 'my own, longer\n');
    fs.writeFileSync(path.join(world.project, 'clash.txt'), 'was here first\n');
    const delivered = await world.run(['deliver', slug, '--yes', '--json']);
    expect(delivered.code).toBe(1);
    expect(JSON.parse(delivered.stdout)).toMatchObject({
      written: ['n.txt'],
      conflicts: ['a.txt', 'clash.txt'],
      removed: false,
    });
    expect(read(world, 'a.txt')).toBe('my own, longer\n');
    expect(read(world, 'clash.txt')).toBe('was here first\n');
    expect(world.slugs()).toEqual([slug]);
  });

  it('S1 a directory of the operator’s that became a link leads nowhere', async () => {
    using world = repository();
    await world.run(['run', '--', 'sh', '-c', 'echo x > src/new.txt']);
    const slug = only(world);
    const outside = path.join(world.root, 'outside');
    fs.mkdirSync(outside);
    fs.rmSync(path.join(world.project, 'src'), { recursive: true });
    fs.symlinkSync(outside, path.join(world.project, 'src'));
    const delivered = await world.run(['deliver', slug, '--yes', '--json']);
    expect(JSON.parse(delivered.stdout)).toMatchObject({
      conflicts: expect.arrayContaining(['src/new.txt']) as unknown,
    });
    expect(fs.readdirSync(outside)).toEqual([]);
  });

  it('S2 names new files that tools run unasked, at the end, in the diff and at delivery', async () => {
    using world = repository();
    world.bottle('b', 'env: {TZ: UTC}');
    await world.run(['run', '--', 'sh', '-c', 'mkdir .vscode; echo {} > .vscode/tasks.json; echo x > plain.txt']);
    const slug = only(world);
    const diff = await world.run(['diff', slug, '--runs-on-open', '--stat']);
    expect(diff.stdout).toBe(
      'added    .vscode/tasks.json   !! run unasked by Visual Studio Code: tasks that run on open\n',
    );
    const asked = await world.run(['deliver', slug]);
    expect(asked.code).toBe(2);
    expect(asked.stderr).toContain('.vscode/tasks.json is run unasked by Visual Studio Code');
    expect(fs.existsSync(path.join(world.project, '.vscode'))).toBe(false);
  });

  it('a diff steers no terminal', async () => {
    using world = repository();
    await world.run(['run', '--', 'sh', '-c', String.raw`printf 'x\033]0;owned\007\r\n' > a.txt`]);
    const { stdout } = await world.run(['diff', only(world)]);
    expect(stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f]/);
    expect(stdout).toContain(String.raw`\u{1b}]0;owned`);
  });

  it.each([{ uid: null }, ...(IS_ROOT ? [{ uid: NOBODY }] : [])])(
    'G-KEEP what the agent locked away is work too, and neither its exit code nor the end is lost by it (uid $uid)',
    async ({ uid }) => {
      using world = repository();
      if (uid !== null) {
        fs.chmodSync(world.root, 0o755);
        execFileSync('chown', ['-R', `${String(uid)}:${String(uid)}`, world.root]);
      }
      const options = uid === null ? {} : { uid };
      const script =
        'mkdir -p d/e; echo x > d/e/f; echo y > g; chmod 000 g d/e/f d/e d; mkdir -p ~/h/i; chmod 000 ~/h/i ~/h; exit 7';
      expect(await world.run(['run', '--', 'sh', '-c', script], options)).toMatchObject({ code: 7 });
      const slug = only(world);
      expect((await world.run(['diff', slug, '--stat'], options)).stdout).toContain('d/e/f');
      const delivered = await world.run(['deliver', slug, '--yes', '--json'], options);
      expect(JSON.parse(delivered.stdout)).toMatchObject({ written: ['d/e/f', 'g'], removed: true });
      expect(read(world, 'd/e/f')).toBe('x\n');
      expect(read(world, 'g')).toBe('y\n');
      expect(world.slugs()).toEqual([]);
      expect(leftovers(world)).toEqual([]);
    },
  );

  it('leaves ignored build output behind when asked to', async () => {
    using world = repository();
    fs.mkdirSync(path.join(world.project, 'build'));
    fs.writeFileSync(path.join(world.project, 'build/big.o'), 'x');
    world.bottle('lean', 'workspace: {mode: copy, ignored: leave}');
    expect((await world.run(['run', '--', 'ls', 'build'])).stdout).toBe('big.o\n');
    expect((await world.run(['run', '--bottle', 'lean', '--', 'sh', '-c', 'ls; test ! -e build'])).code).toBe(0);
  });
});

describe('work in a clone', () => {
  it('is the last commit, without a way back, and comes home as a branch with all that was done', async () => {
    using world = repository();
    fs.writeFileSync(path.join(world.project, 'a.txt'), 'not committed\n');
    const script = `cat a.txt; git remote; echo two >> a.txt; ${COMMIT} Work; echo rest > rest.txt`;
    const ran = await world.run(['run', '--workspace', 'clone', '--', 'sh', '-c', script]);
    expect(ran.stdout).toBe('one\n');
    const slug = only(world);
    const delivered = await world.run(['deliver', slug, '--yes', '--branch', 'review/work']);
    expect(delivered).toMatchObject({ code: 0 });
    expect(git(world, 'log', '--format=%s', 'review/work').trim().split('\n')).toEqual([
      `Work of ${slug} that was not committed`,
      'Work',
      'Begin',
    ]);
    expect(git(world, 'show', 'review/work:rest.txt')).toBe('rest\n');
    expect(read(world, 'a.txt')).toBe('not committed\n');
    expect(world.slugs()).toEqual([]);
  });

  it('needs a repository', async () => {
    using world = new World();
    const refused = await world.run(['run', '--workspace', 'clone', '--', 'true']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(
      `${fs.realpathSync(world.project)} is not the top of a git repository, so it can't be cloned\n      --workspace copy\n`,
    );
  });

  it('S1 objects that git’s own checks refuse do not come home', async () => {
    using world = repository();
    const bad = [
      'tree=$(git write-tree)',
      String.raw`c=$(printf 'tree %s\nauthor A <a@b> 1 +0000\ncommitter broken\n\nx\n' $tree | git hash-object -t commit -w --stdin --literally)`,
      'git update-ref refs/heads/bad $c',
    ].join('\n');
    await world.run(['run', '--workspace', 'clone', '--', 'sh', '-c', bad]);
    const slug = only(world);
    const refused = await world.run(['deliver', slug, '--yes']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('the commits did not pass git’s checks');
    expect(git(world, 'branch', '--list', 'bot-bottle/*')).toBe('');
    expect(world.slugs()).toEqual([slug]);
  });
});

describe('S2 work in the directory itself', () => {
  it.runIf(IS_ROOT)('is refused for root, with the reason', async () => {
    using world = repository();
    const refused = await world.run(['run', '--workspace', 'bind', '--', 'true']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('started by root, the bottle runs as a user of its own');
  });

  function bound(): World {
    const world = repository();
    fs.chmodSync(world.root, 0o755);
    if (IS_ROOT) execFileSync('chown', ['-R', `${String(NOBODY)}:${String(NOBODY)}`, world.root]);
    return world;
  }
  const user = IS_ROOT ? { uid: NOBODY } : {};

  it('changes the files themselves, and nothing that git would run or obey', async () => {
    using world = bound();
    const script = [
      'echo two >> a.txt',
      'git -c user.name=Bot -c user.email=b@c commit --quiet --all --message Work && echo committed',
      'echo x >> .git/config || echo config holds',
      'echo x > .git/hooks/post-checkout || echo hooks hold',
      'echo x > .git/info/attributes || echo info holds',
      'echo x > .git/config.worktree || echo worktree config holds',
      'mv .git .git2 || echo git stays',
      'mv .git/hooks .git/hooks2 || echo hooks stay',
      'rm -rf .git/config 2>/dev/null || echo config stays',
    ].join('\n');
    const ran = await world.run(['run', '--workspace', 'bind', '--', 'sh', '-c', script], user);
    expect(ran.stdout.trim().split('\n')).toEqual([
      'committed',
      'config holds',
      'hooks hold',
      'info holds',
      'worktree config holds',
      'git stays',
      'hooks stay',
      'config stays',
    ]);
    expect(read(world, 'a.txt')).toBe('one\ntwo\n');
    expect(git(world, 'log', '--format=%s', '-1').trim()).toBe('Work');
    expect(fs.readdirSync(path.join(world.project, '.git/hooks')).filter((name) => !name.endsWith('.sample'))).toEqual(
      [],
    );
    expect(world.slugs()).toEqual([]);
  });

  it.each([
    {
      why: 'a pipe in the tree',
      make: (project: string): unknown => execFileSync('mkfifo', [path.join(project, 'pipe')]),
      says: 'pipe is a socket, a pipe or a device',
    },
    {
      why: 'a .git that leads elsewhere',
      make: (project: string): void => {
        fs.rmSync(path.join(project, '.git'), { recursive: true });
        fs.writeFileSync(path.join(project, '.git'), 'gitdir: /elsewhere\n');
      },
      says: '.git is a file that leads out of the directory',
    },
    {
      why: 'an include',
      make: (project: string): void => {
        fs.appendFileSync(path.join(project, '.git/config'), '[include]\n\tpath = ../evil\n');
      },
      says: 'its git setting include.path leads elsewhere',
    },
    {
      why: 'a worktree elsewhere',
      make: (project: string): void => {
        fs.appendFileSync(path.join(project, '.git/config'), '[core]\n\tworktree = /tmp\n');
      },
      says: 'its git setting core.worktree leads elsewhere',
    },
    {
      why: 'hooks that are a link',
      make: (project: string): void => {
        fs.rmSync(path.join(project, '.git/hooks'), { recursive: true });
        fs.symlinkSync('/tmp', path.join(project, '.git/hooks'));
      },
      says: '.git/hooks is a link',
    },
  ])('refuses $why and says clone', async ({ make, says }) => {
    using world = bound();
    make(world.project);
    const refused = await world.run(['run', '--workspace', 'bind', '--', 'true'], user);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(says);
    expect(refused.stderr).toContain('--workspace clone');
  });
});

describe('resume', () => {
  it('goes on with workspace and home as they were left, and delivers all of it', async () => {
    using world = repository();
    world.bottle('b', 'env: {TZ: UTC}');
    const script =
      'test -e more.txt && echo again || { echo first; echo keep > ~/kept; echo more > more.txt; exit 3; }';
    const first = await world.run(['run', '--bottle', 'b', '--', 'sh', '-c', `${script}; cat ~/kept; echo $TZ`]);
    expect(first).toMatchObject({ code: 3, stdout: 'first\n' });
    const slug = only(world);
    const second = await world.run(['resume', slug]);
    expect(second).toMatchObject({ code: 0, stdout: 'again\nkeep\nUTC\n', stderr: '' });
    expect(world.slugs()).toEqual([slug]);
    expect((await world.run(['deliver', slug, '--yes'])).code).toBe(0);
    expect(read(world, 'more.txt')).toBe('more\n');
    expect(leftovers(world)).toEqual([]);
  });

  it('S1 follows no link that the agent laid in its home', async () => {
    using world = repository();
    const sentinel = path.join(world.root, 'sentinel');
    fs.writeFileSync(sentinel, 'untouched', { mode: 0o666 });
    const lay = `rm -rf ~/.pki ~/workspace 2>/dev/null; ln -s ${sentinel} ~/.claude.json; ln -s ${world.root} ~/.pki; exit 1`;
    await world.run(['run', '--', 'sh', '-c', lay]);
    await world.run(['resume', only(world)]);
    expect(fs.readFileSync(sentinel, 'utf8')).toBe('untouched');
    expect(fs.existsSync(path.join(world.root, 'nssdb'))).toBe(false);
  });

  it('is refused for a running bottle and for an unknown one', async () => {
    using world = repository();
    expect((await world.run(['resume', 'nothing'])).stderr).toContain('no bottle is called "nothing"');
  });
});
