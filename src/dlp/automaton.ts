/**
 * A multi-pattern matcher (Aho-Corasick as a complete transition table). The state after any byte says how many of the
 * last bytes are the beginning of some pattern: exactly those must be held back, and no others. Columns are byte
 * classes, so the table stays small: bytes that occur in no pattern share one.
 */
export interface Automaton {
  readonly start: number;
  /** Next state, to be read as `next[state + classes[byte]]`; states are row offsets. */
  readonly next: Int32Array;
  readonly classes: Uint8Array;
  /** Row offset / width → length of the longest pattern beginning that ends here. */
  readonly depth: Int32Array;
  /** Row offset / width → indexes of the patterns that end here, or undefined. */
  readonly output: readonly (readonly number[] | undefined)[];
  /** 1 at the row offset of each state where a pattern ends: the hot loop's only question. */
  readonly accepting: Uint8Array;
  readonly width: number;
  readonly longest: number;
}

export function buildAutomaton(patterns: readonly Uint8Array[]): Automaton {
  const classes = classify(patterns);
  const width = 1 + Math.max(0, ...classes);
  const rows = 1 + patterns.reduce((sum, pattern) => sum + pattern.length, 0);
  const next = new Int32Array(rows * width).fill(-1);
  const depth = new Int32Array(rows);
  const output: number[][] = [];
  const used = insertAll(patterns, { classes, width, next, depth, output });
  link({ width, next, output }, used);
  const accepting = new Uint8Array(used * width);
  output.forEach((_, row) => {
    accepting[row * width] = 1;
  });
  return {
    start: 0,
    accepting,
    next: next.subarray(0, used * width),
    classes,
    depth,
    output,
    width,
    longest: depth.reduce((most, length) => Math.max(most, length), 0),
  };
}

function classify(patterns: readonly Uint8Array[]): Uint8Array {
  const classes = new Uint8Array(256);
  let count = 0;
  for (const pattern of patterns) {
    for (const byte of pattern) {
      if (classes[byte] === 0 && count < 255) {
        count += 1;
        classes[byte] = count;
      }
    }
  }
  return classes;
}

interface Tables {
  readonly classes: Uint8Array;
  readonly width: number;
  readonly next: Int32Array;
  readonly depth: Int32Array;
  readonly output: number[][];
}

/** Builds the trie; answers how many rows it took. */
function insertAll(patterns: readonly Uint8Array[], { classes, width, next, depth, output }: Tables): number {
  let rows = 1;
  patterns.forEach((pattern, index) => {
    let row = 0;
    for (const byte of pattern) {
      const cell = row * width + (classes[byte] ?? 0);
      let child = next[cell] ?? -1;
      if (child === -1) {
        child = rows;
        rows += 1;
        depth[child] = (depth[row] ?? 0) + 1;
        next[cell] = child;
      }
      row = child;
    }
    (output[row] ??= []).push(index);
  });
  return rows;
}

/** Breadth first: fills the missing transitions from each state's longest proper suffix, then turns rows into offsets. */
function link({ width, next, output }: Pick<Tables, 'width' | 'next' | 'output'>, rows: number): void {
  const suffix = new Int32Array(rows);
  const queue: number[] = [0];
  for (const row of queue) {
    for (let column = 0; column < width; column += 1) {
      const cell = row * width + column;
      const child = next[cell] ?? -1;
      const fallback = row === 0 ? 0 : (next[(suffix[row] ?? 0) * width + column] ?? 0);
      if (child === -1) {
        next[cell] = fallback;
        continue;
      }
      suffix[child] = fallback;
      const inherited = output[fallback];
      if (inherited !== undefined) output[child] = [...(output[child] ?? []), ...inherited];
      queue.push(child);
    }
  }
  for (let cell = 0; cell < rows * width; cell += 1) next[cell] = (next[cell] ?? 0) * width;
}
