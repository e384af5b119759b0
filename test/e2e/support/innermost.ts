import type { ChildProcess } from 'node:child_process';
import { childrenOf, processTree, readTextOrNull } from '../../../src/platform/processes.ts';

/** The process itself, innermost in the tree of the launcher's child that shows this stage or script. */
export function innermost(
  launcher: Pick<ChildProcess, 'pid'>,
  service: 'init' | 'egress' | 'supervise',
): number | null {
  const mark = new RegExp(`stage-${service}|${service}\\.js`);
  for (const root of childrenOf(launcher.pid ?? 0)) {
    const tree = processTree(root);
    const shown = tree.map((pid) => readTextOrNull(`/proc/${String(pid)}/cmdline`) ?? '').join('\n');
    const leaf = tree.find((pid) => childrenOf(pid).length === 0);
    if (mark.test(shown) && leaf !== undefined) return leaf;
  }
  return null;
}
