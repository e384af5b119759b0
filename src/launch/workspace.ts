import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';

/**
 * Copies the operator's tree into the bottle's state *before* the agent runs: the source is the operator's own, so
 * the host may walk it here, and never again afterwards (SECURITY S1). Regular files, directories and links only;
 * set-id bits are dropped.
 */
export interface CopyBounds {
  /** Left out wherever it lies below the source: our own home, which holds every bottle's state. */
  readonly exclude: string;
}

export function copyWorkspace(source: string, target: string, bounds: CopyBounds): void {
  fs.mkdirSync(target, { recursive: true, mode: 0o700 });
  copyDirectory(source, target, bounds);
}

function copyDirectory(source: string, target: string, bounds: CopyBounds): void {
  for (const entry of fs.readdirSync(source, { withFileTypes: true })) {
    const from = path.join(source, entry.name);
    const to = path.join(target, entry.name);
    if (from === bounds.exclude) continue;
    if (entry.isSymbolicLink()) {
      fs.symlinkSync(fs.readlinkSync(from), to);
    } else if (entry.isDirectory()) {
      fs.mkdirSync(to, { mode: 0o700 });
      copyDirectory(from, to, bounds);
      keepModeAndTimes(from, to);
    } else if (entry.isFile()) {
      fs.copyFileSync(from, to, fs.constants.COPYFILE_FICLONE);
      keepModeAndTimes(from, to);
    }
  }
}

/** Times are kept so that build tools inside don't take every file for changed. */
function keepModeAndTimes(from: string, to: string): void {
  const facts = fs.statSync(from);
  fs.chmodSync(to, (facts.mode & 0o777) | 0o600);
  fs.utimesSync(to, facts.atimeMs / 1000, facts.mtimeMs / 1000);
}

/**
 * A workspace must not carry the operator's whole life into the bottle: the home directory, anything above it, and the
 * root are refused.
 */
export function checkWorkspaceSource(source: string, operatorHome: string): string {
  const resolved = realDirectory(source);
  const home = fs.existsSync(operatorHome) ? fs.realpathSync(operatorHome) : operatorHome;
  const relative = path.relative(resolved, home);
  const containsHome = relative === '' || !(relative.startsWith('..') || path.isAbsolute(relative));
  if (containsHome) {
    throw new BottleError('workspace_invalid', {
      message: `${resolved} holds your home directory, with your keys and tokens; it can't be a workspace`,
      hint: 'cd into the project first, or use --workspace none',
    });
  }
  return resolved;
}

function realDirectory(source: string): string {
  try {
    const resolved = fs.realpathSync(source);
    if (fs.statSync(resolved).isDirectory()) return resolved;
  } catch (failure) {
    throw new BottleError('workspace_invalid', { message: `${source} can't be read as a directory`, cause: failure });
  }
  throw new BottleError('workspace_invalid', { message: `${source} is not a directory` });
}
