import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import { quietGit } from './quiet-git.ts';
import type { BottlePlan } from '../schema/plan.ts';

type Bind = Extract<BottlePlan['workspace'], { readonly mode: 'bind' }>;

/**
 * The operator's own directory as the workspace (SECURITY S2). What git would run or obey is shown read-only: the
 * directories are mounted onto themselves first, since a mount point can't be renamed away.
 */
export function planBind(source: string): Bind {
  refuseSpecialFiles(source);
  const git = path.join(source, '.git');
  const facts = fs.lstatSync(git, { throwIfNoEntry: false });
  if (facts === undefined) return { mode: 'bind', source, protected: [], pinned: [] };
  if (!facts.isDirectory()) {
    throw refused(source, '.git is a file that leads out of the directory, so what git obeys can’t be protected');
  }
  refuseLeadingSettings(source);
  const repositories = ['.git', ...below(git, 'modules', 'config'), ...below(git, 'worktrees', 'HEAD')];
  return {
    mode: 'bind',
    source,
    pinned: repositories,
    protected: repositories.flatMap((repository) => [
      shown(source, `${repository}/config`, 'file'),
      shown(source, `${repository}/config.worktree`, 'file'),
      shown(source, `${repository}/hooks`, 'directory'),
      shown(source, `${repository}/info`, 'directory'),
    ]),
  };
}

function shown(source: string, name: string, kind: 'file' | 'directory'): Bind['protected'][number] {
  const facts = fs.lstatSync(path.join(source, name), { throwIfNoEntry: false });
  if (facts?.isSymbolicLink() === true) throw refused(source, `${name} is a link`);
  return { path: name, missing: facts === undefined ? kind : null };
}

/** Repositories of submodules and worktrees, told by a file that each has. */
function below(git: string, kind: 'modules' | 'worktrees', mark: string): readonly string[] {
  const root = path.join(git, kind);
  const found: string[] = [];
  const visit = (directory: string, name: string): void => {
    if (!fs.lstatSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
    if (name !== '' && fs.existsSync(path.join(directory, mark))) found.push(`.git/${kind}/${name}`);
    for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory() && !['objects', 'refs', 'logs', 'hooks', 'info'].includes(entry.name)) {
        visit(path.join(directory, entry.name), name === '' ? entry.name : `${name}/${entry.name}`);
      }
    }
  };
  visit(root, '');
  return found;
}

/** Settings that make git work on, or read, something outside of what is protected. */
function refuseLeadingSettings(source: string): void {
  const { stdout } = quietGit(source, ['config', '--local', '--no-includes', '--name-only', '--list']);
  const leading = stdout.split('\n').find((name) => /^(?:core\.worktree$|include\.|includeif\.)/i.test(name));
  if (leading !== undefined) throw refused(source, `its git setting ${leading} leads elsewhere`);
}

function refuseSpecialFiles(directory: string, top: string = directory): void {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) refuseSpecialFiles(file, top);
    else if (!entry.isFile() && !entry.isSymbolicLink()) {
      throw refused(top, `${path.relative(top, file)} is a socket, a pipe or a device`);
    }
  }
}

function refused(source: string, why: string): BottleError {
  return new BottleError('workspace_invalid', {
    message: `${source} can't be given to the agent itself: ${why}`,
    hint: '--workspace clone',
  });
}

/** Started by root the bottle is another user, who could not work in the operator's files, and whose files they would be. */
export function refuseBindAsRoot(uid: number | undefined): void {
  if (uid !== 0) return;
  throw new BottleError('workspace_invalid', {
    message: 'started by root, the bottle runs as a user of its own, who can’t work in your directory itself',
    hint: '--workspace clone   or start it as an ordinary user',
  });
}
