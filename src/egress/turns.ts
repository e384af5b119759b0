import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Scanner, ScreenProgress } from '../dlp/screen.ts';
import { KiB } from '../kernel/limits.ts';

/** How long one request's scan may keep all others waiting. Twenty are allowed: garbage has to be collected, too. */
const TURN_MS = 8;
/** What hostile bytes can make of so many is still less than a turn. */
const SLICE_BYTES = 16 * KiB;

/** Scans slice by slice, with a turn of the event loop whenever it has taken long enough. */
export class PacedScanner {
  readonly #scanner: Scanner;
  #since = performance.now();

  constructor(scanner: Scanner) {
    this.#scanner = scanner;
  }

  /** Up to the first finding. */
  async push(blocks: readonly Uint8Array[]): Promise<ScreenProgress | null> {
    let progress: ScreenProgress | null = null;
    this.#since = performance.now();
    for (const block of blocks) {
      for (let at = 0; at < block.length; at += SLICE_BYTES) {
        progress = this.#scanner.push(block.subarray(at, at + SLICE_BYTES));
        if (progress.findings.length > 0) return progress;
        if (performance.now() - this.#since < TURN_MS) continue;
        await nextTurn();
        this.#since = performance.now();
      }
    }
    return progress;
  }

  end(): ScreenProgress {
    return this.#scanner.end();
  }
}
