import fs from 'node:fs';
import path from 'node:path';

/**
 * Things of ours may lie below directories that only their owner can enter (`/root`, a 0700 clone), while under root
 * the bottle and the services run as other users. So root shows them those things at a place that everybody can reach,
 * in a mount namespace of their own that ends with them: nothing on the host changes.
 */
export interface StagedPath {
  readonly source: string;
  /** File name below the stage. */
  readonly name: string;
}

export interface Stage {
  /** To be put in front of the command; the command then runs with the binds in place. */
  readonly prefix: readonly string[];
  /** Where a staged path is found by that command. */
  readonly pathOf: (name: string) => string;
}

const SCRIPT = 'set -e; while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; exec "$@"';

/** Pure: the argv that binds each source over its place below `directory`. */
export function planStage(directory: string, paths: readonly StagedPath[]): Stage {
  const binds = paths.flatMap(({ source, name }) => [source, path.join(directory, name)]);
  return {
    prefix: [
      '/usr/bin/unshare',
      '--mount',
      '--propagation',
      'private',
      '/bin/sh',
      '-c',
      SCRIPT,
      'stage',
      ...binds,
      '--',
    ],
    pathOf: (name) => path.join(directory, name),
  };
}

/** Makes the mount points that `planStage` binds over: an empty file for a file, a directory for a directory. */
export function prepareStage(directory: string, paths: readonly StagedPath[]): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o711 });
  for (const { source, name } of paths) {
    const place = path.join(directory, name);
    if (fs.statSync(source).isDirectory()) fs.mkdirSync(place, { recursive: true, mode: 0o711 });
    else fs.closeSync(fs.openSync(place, 'a', 0o644));
  }
}
