import fs from 'node:fs';
import path from 'node:path';
import type { Scope } from '../../kernel/scope.ts';

/** Home and workspace below the state directory, in the hands of the bottle's user; null leaves them to the operator. */
export function prepareTrees(stateDirectory: string, hostUid: number | null): void {
  const inState = (name: string): string => path.join(stateDirectory, name);
  // Where the workspace is mounted is made with the home; one that is there already may be an agent's (SECURITY S1).
  const names = fs.existsSync(inState('home')) ? ['workspace'] : ['home', 'home/workspace', 'workspace'];
  for (const name of names) fs.mkdirSync(inState(name), { recursive: true, mode: 0o700 });
  if (hostUid !== null) {
    for (const name of ['home', 'workspace']) {
      // A resumed bottle's trees are the agent's already, and are not walked (SECURITY S1).
      if (fs.lstatSync(inState(name)).uid !== hostUid) giveTree(inState(name), hostUid);
    }
  }
}

/** Before the agent's first instruction: the tree still is the operator's own. Links are given, not followed. */
function giveTree(file: string, uid: number): void {
  fs.lchownSync(file, uid, uid);
  if (!fs.lstatSync(file).isDirectory()) return;
  for (const name of fs.readdirSync(file)) giveTree(path.join(file, name), uid);
}

/** What the bottle is shown of our making, for as long as the scope lasts. */
export function makeFiles(directory: string, files: Readonly<Record<string, string>>, scope: Scope): void {
  scope.defer('made files', () => {
    fs.rmSync(directory, { recursive: true, force: true });
  });
  fs.mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const [name, content] of Object.entries(files)) {
    fs.writeFileSync(path.join(directory, name), content, { mode: 0o644 });
  }
}
