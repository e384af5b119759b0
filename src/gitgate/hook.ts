import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The gate's own hook, and the only one that ever runs: it says where the quarantine is, and waits for a word. */
const PRE_RECEIVE = `#!/bin/sh
printf '%s\\n' "$GIT_QUARANTINE_PATH" >&3 || exit 1
IFS= read -r word <&4 || exit 1
[ "$word" = yes ]
`;

/** Answers git's question for a password from descriptor 3; it is not on any disk. */
const ASKPASS = `#!/bin/sh
IFS= read -r answer <&3 || exit 1
printf '%s\\n' "$answer"
`;

/** Not among the hooks: git runs whatever is there by its name. */
export function writeAskpass(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, ASKPASS, { mode: 0o700 });
}

export function writeHook(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'pre-receive'), PRE_RECEIVE, { mode: 0o700 });
}
