import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/**
 * A home and a project of the test's own, and the built command line run in them. The home is 0700 on purpose: what
 * runs as another user must reach its files all the same.
 */
export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  readonly uid?: number;
}

const CLI = path.resolve('dist/cli.js');

export class World implements Disposable {
  readonly root: string;
  readonly home: string;
  readonly project: string;

  constructor() {
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), 'world-'));
    this.home = path.join(this.root, 'home');
    this.project = path.join(this.root, 'project');
    fs.mkdirSync(path.join(this.home, 'bottles'), { recursive: true, mode: 0o700 });
    fs.mkdirSync(path.join(this.home, 'agents'));
    fs.mkdirSync(this.project);
    fs.writeFileSync(path.join(this.project, 'README'), 'a project\n');
  }

  bottle(name: string, yaml: string): void {
    fs.writeFileSync(path.join(this.home, 'bottles', `${name}.md`), `---\n${yaml}\n---\nA bottle of a test.\n`);
  }

  agent(name: string, yaml: string, prompt = 'Do it.'): void {
    fs.writeFileSync(path.join(this.home, 'agents', `${name}.md`), `---\n${yaml}\n---\n${prompt}\n`);
  }

  settings(yaml: string): void {
    fs.writeFileSync(path.join(this.home, 'settings.yml'), yaml);
  }

  /** Starts the command; its environment is only what a plain system has, and ours. */
  spawn(args: readonly string[], options: RunOptions = {}): ChildProcess {
    return spawn(process.execPath, [CLI, ...args], {
      cwd: options.cwd ?? this.project,
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: this.root, BOT_BOTTLE_HOME: this.home, ...options.env },
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
  }

  async run(args: readonly string[], options: RunOptions = {}): Promise<CliResult> {
    const child = this.spawn(args, options);
    child.stdin?.end(options.input ?? '');
    return collect(child);
  }

  /** Slugs with state on disk. */
  slugs(): readonly string[] {
    const state = path.join(this.home, 'state');
    return fs.existsSync(state) ? fs.readdirSync(state) : [];
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}

export function collect(child: ChildProcess): Promise<CliResult> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    const told = (code: number | null, signal: NodeJS.Signals | null): void => {
      resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    };
    child.once('close', told);
    // What a launcher killed so leaves, for `cleanup`, may hold its streams open.
    child.once('exit', (code, signal) => {
      if (signal === 'SIGKILL') setImmediate(told, code, signal);
    });
  });
}

/** Resolves with the first line of a child's stdout. */
export function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const end = text.indexOf('\n');
      if (end !== -1) resolve(text.slice(0, end));
    });
    child.once('close', () => {
      reject(new Error(`it ended after saying: ${text}`));
    });
  });
}
