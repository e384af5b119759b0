import fs from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { findProgram } from '../bundle/host-facts.ts';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { quietGit } from './quiet-git.ts';
import type { BottlePaths } from '../state/paths.ts';
import { BOXED_TREE, runInTree, startInTree, type Shown } from './tree-box.ts';

/**
 * Commits on their way home (SECURITY S1): a bundle made inside the box, whose objects are checked by git in a bare
 * repository of ours, and fetched from there under a name that says whose work it is. Nothing is checked out.
 */
export interface NewBranch {
  /** As the agent called it, below refs/heads. */
  readonly name: string;
  readonly oid: string;
}

const GIT = '/usr/bin/git';
const OID = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
/** Names that git takes and that are no option, no path out, and nothing that a terminal obeys. */
const BRANCH = /^(?!-)(?!.*(?:\.\.|@\{|\/\/|\.lock$|\/$|\.$))[A-Za-z0-9._/-]{1,200}$/;

/** Branches of the workspace with commits that the operator's repository has not. */
export async function newBranches(paths: BottlePaths, source: string): Promise<readonly NewBranch[]> {
  if (!fs.existsSync(path.join(source, '.git'))) return [];
  const argv = [
    findProgram('git') ?? GIT,
    ...SAFE,
    'for-each-ref',
    '--format=%(objectname) %(refname:lstrip=2)',
    'refs/heads',
  ];
  const { status, stdout } = await runInTree({ argv, show: workspace(paths, 'ro'), cwd: BOXED_TREE.workspace }, paths);
  if (status !== 0) return [];
  return stdout
    .toString('utf8')
    .split('\n')
    .map((line) => ({ oid: line.slice(0, line.indexOf(' ')), name: line.slice(line.indexOf(' ') + 1) }))
    .filter(({ oid, name }) => OID.test(oid) && BRANCH.test(name))
    .filter(({ oid }) => !quietGit(source, ['cat-file', '-e', `${oid}^{commit}`]).ok);
}

/** What is not committed becomes a commit, made inside the box; answers whether there was something. */
export async function commitRest(paths: BottlePaths, message: string): Promise<boolean> {
  const script = [
    'set -e',
    '[ -n "$(git "$@" status --porcelain)" ] || exit 3',
    'git "$@" add --all',
    'git "$@" commit --quiet --no-verify --message "$MESSAGE"',
  ].join('\n');
  const { status, stderr } = await runInTree(
    {
      argv: [
        '/bin/sh',
        '-c',
        script,
        'commit',
        ...SAFE,
        '-c',
        'core.hooksPath=/dev/null',
        '-c',
        'commit.gpgSign=false',
      ],
      show: workspace(paths, 'rw'),
      cwd: BOXED_TREE.workspace,
      env: {
        MESSAGE: message,
        GIT_AUTHOR_NAME: 'bot-bottle',
        GIT_AUTHOR_EMAIL: 'bot-bottle@localhost',
        GIT_COMMITTER_NAME: 'bot-bottle',
        GIT_COMMITTER_EMAIL: 'bot-bottle@localhost',
        GIT_OPTIONAL_LOCKS: '1',
      },
    },
    paths,
  );
  if (status === 0) return true;
  if (status === 3) return false;
  throw new BottleError('workspace_invalid', { message: `what is not committed can't be: ${lastLine(stderr)}` });
}

/** Fetches the branches into the operator's repository; answers the names that they have there. */
export async function deliverBranches(
  paths: BottlePaths,
  source: string,
  branches: readonly NewBranch[],
  nameOf: (branch: string) => string,
): Promise<readonly string[]> {
  if (branches.length === 0) return [];
  const place = path.join(paths.root, 'bundle.git');
  fs.rmSync(place, { recursive: true, force: true });
  try {
    const bundle = await receiveBundle(paths, branches);
    must(quietGit(paths.root, ['init', '--quiet', '--bare', place]), 'a repository can’t be made');
    const objects = quietGit(source, ['rev-parse', '--path-format=absolute', '--git-path', 'objects']).stdout.trim();
    fs.writeFileSync(path.join(place, 'objects/info/alternates'), `${objects}\n`);
    must(indexPack(place, bundle), 'the commits did not pass git’s checks');
    for (const { name, oid } of branches) {
      // Also says that the object is there and is a commit.
      must(quietGit(place, ['update-ref', `refs/heads/${name}`, oid, '']), `${name} is not what the box said it is`);
    }
    return branches.map(({ name }) => {
      const target = nameOf(name);
      const spec = `refs/heads/${name}:refs/heads/${target}`;
      must(
        quietGit(source, ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', place, spec]),
        `${target} can't be written`,
      );
      return target;
    });
  } finally {
    fs.rmSync(place, { recursive: true, force: true });
    fs.rmSync(bundleOf(paths), { force: true });
  }
}

const bundleOf = (paths: BottlePaths): string => path.join(paths.root, 'work.bundle');

async function receiveBundle(paths: BottlePaths, branches: readonly NewBranch[]): Promise<string> {
  const refs = branches.map(({ name }) => `refs/heads/${name}`);
  const child = startInTree(
    {
      argv: [findProgram('git') ?? GIT, ...SAFE, 'bundle', 'create', '--quiet', '-', ...refs],
      show: workspace(paths, 'ro'),
      cwd: BOXED_TREE.workspace,
    },
    paths,
  );
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const file = bundleOf(paths);
  let receivedBytes = 0;
  child.stdout?.on('data', (block: Buffer) => {
    receivedBytes += block.length;
    if (receivedBytes > LIMITS.deliveryBytes) child.kill('SIGKILL');
  });
  if (child.stdout !== null) await pipeline(child.stdout, fs.createWriteStream(file, { mode: 0o600 }));
  const status = await closed;
  if (status === 0 && receivedBytes <= LIMITS.deliveryBytes) return file;
  throw new BottleError('workspace_invalid', { message: 'the commits could not be taken out of the bottle' });
}

const LONGEST_BUNDLE_HEAD_BYTES = 1024 * 1024;

/** The pack of a bundle (gitformat-bundle) begins after the first empty line; its head is not needed: refs are ours. */
function indexPack(place: string, bundle: string): ReturnType<typeof quietGit> {
  const descriptor = fs.openSync(bundle, 'r');
  try {
    const head = Buffer.alloc(LONGEST_BUNDLE_HEAD_BYTES);
    const length = fs.readSync(descriptor, head, 0, head.length, 0);
    const end = head.subarray(0, length).indexOf('\n\n');
    if (end === -1) throw new BottleError('workspace_invalid', { message: 'what came out of the bottle is no bundle' });
    // Moves the descriptor's own offset to where git is to begin.
    fs.readSync(descriptor, head, 0, end + 2, null);
    return quietGit(place, ['index-pack', '--stdin', '--strict', '--fsck-objects'], descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function workspace(paths: BottlePaths, access: 'ro' | 'rw'): readonly Shown[] {
  return [{ source: paths.workspace, inside: BOXED_TREE.workspace, access }];
}

/** The repository is the agent's, and so is all that its configuration starts: in the box it may. */
const SAFE = ['-c', 'safe.directory=*', '-c', 'core.fsmonitor=false', '-c', 'core.pager=cat'];

function must(answer: ReturnType<typeof quietGit>, what: string): void {
  if (!answer.ok) throw new BottleError('workspace_invalid', { message: `${what}: ${lastLine(answer.stderr)}` });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
