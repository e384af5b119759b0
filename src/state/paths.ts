import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';

/**
 * Where everything of ours lies on the host (DESIGN 11). One place decides, so that `cleanup` and `list` look where
 * `launch` wrote.
 */
export interface HomePaths {
  /** `$BOT_BOTTLE_HOME`, else `~/.bot-bottle`. */
  readonly home: string;
  /** Slugs are unique within one home; the runtime directories of other homes carry its mark. */
  readonly isDefaultHome: boolean;
  readonly stateRoot: string;
  readonly cacheRoot: string;
  /** Sockets live here: a socket path holds 107 bytes, so it can't be below the home. */
  readonly runtimeRoot: string;
}

/** All of one bottle. */
export interface BottlePaths {
  readonly root: string;
  readonly bottleFile: string;
  readonly journal: string;
  readonly lock: string;
  readonly record: string;
  readonly log: string;
  readonly workspace: string;
  readonly home: string;
  /** Mounted read-only into the bottle: certificates and trust stores, nothing secret. */
  readonly ours: string;
  /** The files of the installation that this launch runs, held as they were at its beginning. */
  readonly program: string;
  /** The gateway's, for bodies that it holds: empty to look at, its files have no names. */
  readonly spill: string;
  /** What the agent asked, and what was answered: each directory has one writer. */
  readonly asked: string;
  readonly answers: string;
  /** The git gate's, for its copies of upstreams; gone when the bottle ends. */
  readonly git: string;
  readonly runtime: string;
  readonly control: string;
  /** Sockets to repositories of the operator's, for the git gate alone. */
  readonly upstreams: string;
}

export interface HostEnvironment {
  readonly BOT_BOTTLE_HOME?: string | undefined;
  readonly XDG_RUNTIME_DIR?: string | undefined;
}

export function homePaths(environment: HostEnvironment): HomePaths {
  const configured = environment.BOT_BOTTLE_HOME;
  const standard = path.join(os.homedir(), '.bot-bottle');
  const home = path.resolve(configured === undefined || configured === '' ? standard : configured);
  return {
    home,
    isDefaultHome: home === standard,
    stateRoot: path.join(home, 'state'),
    cacheRoot: path.join(home, 'cache'),
    runtimeRoot: runtimeRoot(environment),
  };
}

export function bottlePaths(paths: HomePaths, slug: string): BottlePaths {
  const root = path.join(paths.stateRoot, slug);
  const runtime = path.join(paths.runtimeRoot, paths.isDefaultHome ? slug : `${slug}.${shortHash(paths.home)}`);
  return {
    root,
    bottleFile: path.join(root, 'bottle.json'),
    journal: path.join(root, 'journal.jsonl'),
    lock: path.join(root, 'lock'),
    record: path.join(root, 'decisions.jsonl'),
    log: path.join(root, 'services.log'),
    workspace: path.join(root, 'workspace'),
    home: path.join(root, 'home'),
    ours: path.join(root, 'ours'),
    program: path.join(root, 'program'),
    spill: path.join(root, 'spill'),
    asked: path.join(root, 'asked'),
    answers: path.join(root, 'answers'),
    git: path.join(root, 'git'),
    runtime,
    control: path.join(runtime, 'control'),
    upstreams: path.join(runtime, 'upstreams'),
  };
}

function shortHash(text: string): string {
  return crypto.hash('sha256', text, 'hex').slice(0, 8);
}

/** Where a bottle's directory is made before it has its name; no slug begins with a dot. */
export function unnamedDirectory(paths: HomePaths): string {
  return path.join(paths.stateRoot, `${UNNAMED}${crypto.randomBytes(8).toString('hex')}`);
}

export const UNNAMED = '.new-';

/** Root's services run as other users, who can't enter root's own runtime directory. */
function runtimeRoot(environment: HostEnvironment): string {
  if (process.getuid?.() === 0) return '/run/bot-bottle';
  const configured = environment.XDG_RUNTIME_DIR;
  if (configured !== undefined && configured !== '' && fs.existsSync(configured)) {
    return path.join(configured, 'bot-bottle');
  }
  // Not TMPDIR: a `stop` in another shell must look in the same place.
  const shared = process.platform === 'linux' ? '/tmp' : os.tmpdir();
  return path.join(shared, `bot-bottle-${String(process.getuid?.() ?? 0)}`);
}

/**
 * Makes a directory that only this user can list, or proves that an existing one is such: a directory that somebody
 * else prepared in the shared temporary directory is refused. Others may pass through it (mode 0711) when the services
 * run under uids of their own, which is the case only for root.
 */
export function ensurePrivateDirectory(directory: string): void {
  ensureDirectory(directory, 0o066, 'read or write');
}

/** The home itself, which people make by hand: others may look at the manifests in it, but not change them. */
export function ensureOwnDirectory(directory: string): void {
  ensureDirectory(directory, 0o022, 'write');
}

function ensureDirectory(directory: string, forbidden: number, what: string): void {
  const traversable = process.getuid?.() === 0;
  fs.mkdirSync(directory, { recursive: true, mode: traversable ? 0o711 : 0o700 });
  const facts = fs.lstatSync(directory);
  if (!facts.isDirectory() || facts.uid !== process.getuid?.() || (facts.mode & forbidden) !== 0) {
    throw new BottleError('state_invalid', {
      message: `${directory} must be a directory of your own that nobody else can ${what}`,
      hint: `ls -ld ${directory}`,
    });
  }
}
