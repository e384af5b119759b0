import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { ASSET_NAMES } from '../../src/platform/assets.ts';
import { innermost } from './support/innermost.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, firstLine, World } from './support/world.ts';

/** An installation of the test's own, of which there are two builds whose services say which they are of. */
class Installation {
  readonly world: World;
  readonly root: string;
  readonly #builds: string;

  constructor(world: World) {
    this.world = world;
    this.root = path.join(world.root, 'installation');
    this.#builds = path.join(world.root, 'builds');
    fs.mkdirSync(path.join(this.root, 'dist'), { recursive: true });
    fs.copyFileSync('package.json', path.join(this.root, 'package.json'));
    fs.symlinkSync(path.resolve('node_modules'), path.join(this.root, 'node_modules'));
    const id = fs.readFileSync('dist/cli.js', 'latin1').trimEnd().slice(-16);
    for (const build of ['a'.repeat(16), 'b'.repeat(16)]) {
      fs.mkdirSync(path.join(this.#builds, build), { recursive: true });
      for (const name of ASSET_NAMES) {
        const says = ['init.js', 'egress.js'].includes(name) ? `process.stderr.write('of ${build}\\n');` : '';
        const text = fs.readFileSync(path.join('dist', name), 'latin1').replaceAll(id, build);
        fs.writeFileSync(path.join(this.#builds, build, name), `${says}${text}`, 'latin1');
      }
    }
    this.install('a');
  }

  /** One file after the other, each by a rename, as the build does. */
  install(build: 'a' | 'b'): void {
    for (const name of ASSET_NAMES.toReversed()) {
      const made = path.join(this.root, name);
      fs.copyFileSync(path.join(this.#builds, build.repeat(16), name), made);
      fs.renameSync(made, path.join(this.root, 'dist', name));
    }
  }

  spawn(args: readonly string[]): ChildProcess {
    const { root, home, project } = this.world;
    return spawn(process.execPath, [path.join(this.root, 'dist/cli.js'), ...args], {
      cwd: project,
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: root, BOT_BOTTLE_HOME: home },
    });
  }

  /** Which builds the services of a bottle were of. */
  builds(slug: string): readonly string[] {
    const log = fs.readFileSync(path.join(this.world.home, 'state', slug, 'services.log'), 'utf8');
    return [...log.matchAll(/ (?<service>init|egress): of (?<build>a+|b+)$/gm)].map(({ groups }) =>
      [groups?.['service'], groups?.['build']?.at(0)].join(' '),
    );
  }
}

describe('an installation that is replaced', () => {
  it('while bottles start: each starts, all of one build', async () => {
    using world = new World();
    const installation = new Installation(world);
    let installed: 'a' | 'b' = 'a';
    const replacing = setInterval(() => {
      installed = installed === 'a' ? 'b' : 'a';
      installation.install(installed);
    }, 300);
    try {
      for (let round = 0; round < 4; round += 1) {
        const pair = [0, 1].map(() => collect(installation.spawn(['run', '--', 'sh', '-c', 'echo work > file'])));
        for (const result of await Promise.all(pair)) expect(result).toMatchObject({ code: 0, stderr: '' });
      }
    } finally {
      clearInterval(replacing);
    }
    const slugs = world.slugs();
    expect(slugs).toHaveLength(8);
    for (const slug of slugs) {
      const builds = installation.builds(slug);
      expect(builds).toHaveLength(2);
      expect(new Set(builds.map((build) => build.at(-1))).size).toBe(1);
    }
    expect(leftovers(world)).toEqual([]);
  });

  it('or removed, while a bottle runs: a service that ends comes back, of the same build', async () => {
    using world = new World();
    const installation = new Installation(world);
    const child = installation.spawn(['run', '--', 'sh', '-c', 'echo work > file; echo up; read -r _']);
    const ended = collect(child);
    expect(await firstLine(child)).toBe('up');
    installation.install('b');
    fs.rmSync(installation.root, { recursive: true });
    const before = await pollUntil('the gateway', 10_000, () => innermost(child, 'egress'));
    process.kill(before, 'SIGKILL');
    const [slug = ''] = world.slugs();
    await pollUntil('its successor', 30_000, () => (installation.builds(slug).length === 3 ? true : null));
    expect(installation.builds(slug).toSorted()).toEqual(['egress a', 'egress a', 'init a']);
    child.stdin?.end('\n');
    expect(await ended).toMatchObject({ code: 0 });
    expect(leftovers(world)).toEqual([]);
  });

  it('and is not of one piece: the command says so, and how to mend it', async () => {
    using world = new World();
    const installation = new Installation(world);
    const file = path.join(installation.root, 'dist/egress.js');
    fs.writeFileSync(file, fs.readFileSync(file, 'latin1').replaceAll('a'.repeat(16), 'c'.repeat(16)));
    const result = await collect(installation.spawn(['run', '--', 'true']));
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toBe(
      `the files of the installation are not of one build\n      npm --prefix ${installation.root} run build\n`,
    );
    expect(world.slugs()).toEqual([]);
  });
});
