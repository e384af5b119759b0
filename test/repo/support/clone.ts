import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from '../../../scripts/root.ts';

/** A copy of parts of the repository in which a test may plant faults. */
export interface Clone extends Disposable {
  readonly root: string;
  readonly plant: (file: string, text: string) => void;
}

export function cloneParts(parts: readonly string[]): Clone {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-clone-'));
  for (const part of ['package.json', ...parts])
    fs.cpSync(path.join(ROOT, part), path.join(root, part), { recursive: true });
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
  return {
    root,
    plant: (file, text) => {
      fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      fs.writeFileSync(path.join(root, file), text);
    },
    [Symbol.dispose]: () => {
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}
