import { Session, type Profiler } from 'node:inspector';
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { ROOT } from '../../scripts/root.ts';

const OURS = pathToFileURL(`${path.join(ROOT, 'src')}/`).href;

/** What ran of `src/`, by V8's own account: blocks, and how often, in rough steps. */
export class Coverage implements Disposable {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Since the last time. */
  take(): ReadonlySet<string> {
    let result: readonly Profiler.ScriptCoverage[] = [];
    // Within one process the answer is there when the call returns.
    this.#session.post('Profiler.takePreciseCoverage', (failure, taken) => {
      if (failure !== null) throw failure;
      ({ result } = taken);
    });
    const features = new Set<string>();
    for (const { url, functions } of result) {
      if (!url.startsWith(OURS)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue;
          features.add(`${url.slice(OURS.length)}:${String(startOffset)}-${String(endOffset)}:${String(step(count))}`);
        }
      }
    }
    return features;
  }

  [Symbol.dispose](): void {
    this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}

/** 1, 2, 3, 4–7, 8–15, … 128 and more: a loop that runs once more is nothing new, one that runs twice as often is. */
function step(count: number): number {
  return count < 4 ? count : Math.min(Math.floor(Math.log2(count)) + 2, 9);
}
