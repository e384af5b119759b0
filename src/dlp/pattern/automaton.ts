import { isWordByte } from './byte-set.ts';
import { reach, type Program } from './program.ts';

/**
 * A pattern as a machine that takes one table look-up per byte, whatever the pattern: its states are made when a text
 * first needs them (Thompson's lazy construction) and thrown away when there are too many. There is nothing to backtrack
 * to, so the time of a match is its length.
 */
export interface State {
  /** Steps to go on from, before edges are looked at: those want to know the byte that comes. */
  readonly steps: readonly number[];
  /** What the last byte was: -1 none (the text begins), 0 no word byte, 1 a word byte. */
  readonly before: -1 | 0 | 1;
  /** By class of the next byte; `null` where nothing goes on. */
  readonly next: (State | null | undefined)[];
  /** By class of the next byte: 1 where the pattern has matched everything before it. */
  readonly accepts: Uint8Array;
}

const STATES_MAX = 4096;
const WORD_BYTE = 97;
const OTHER_BYTE = 32;

export class Automaton {
  /** By byte: its class. Bytes of one class are never told apart. */
  readonly classes: Uint8Array;
  /** The class that stands for the end of the text. */
  readonly end: number;
  readonly #program: Program;
  /** A byte of each class. */
  readonly #examples: readonly number[];
  readonly #hasEdges: boolean;
  #states = new Map<string, State>();
  #starts: (State | undefined)[] = [];

  constructor(program: Program) {
    this.#program = program;
    this.#hasEdges = program.steps.some(({ kind }) => kind === 'edge');
    const { classes, examples } = classify(program, this.#hasEdges);
    this.classes = classes;
    this.#examples = examples;
    this.end = examples.length;
  }

  /** A byte of the class, or -1 for the end of the text. */
  exampleOf(byteClass: number): number {
    return this.#examples[byteClass] ?? -1;
  }

  /** `before` is the byte in front of the match, or -1. */
  start(before: number): State {
    const kind = before === -1 ? -1 : isWordByte(before) ? 1 : 0;
    return (this.#starts[kind + 1] ??= this.#intern([this.#program.start], kind));
  }

  /** Fills in where `state` goes by a byte of this class. */
  extend(state: State, byteClass: number): State | null {
    const { steps } = this.#program;
    const example = this.exampleOf(byteClass);
    const before = state.before === -1 ? -1 : state.before === 1 ? WORD_BYTE : OTHER_BYTE;
    const taken = new Set<number>();
    for (const index of reach(this.#program, state.steps, { before, after: example })) {
      const step = steps[index];
      if (step?.kind === 'end') state.accepts[byteClass] = 1;
      if (step?.kind === 'byte' && example !== -1 && step.set[example] === 1) taken.add(step.next);
    }
    const next = taken.size === 0 ? null : this.#intern([...taken], isWordByte(example) ? 1 : 0);
    state.next[byteClass] = next;
    return next;
  }

  #intern(steps: readonly number[], last: -1 | 0 | 1): State {
    const before = this.#hasEdges ? last : 0;
    const sorted = steps.toSorted((left, right) => left - right);
    const key = `${String(before)}:${sorted.join()}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    if (this.#states.size >= STATES_MAX) {
      // Whoever holds an old state can still go on from it; only the sharing begins anew.
      this.#states = new Map();
      this.#starts = [];
    }
    const next = new Array<State | null | undefined>(this.end + 1).fill(undefined);
    const state: State = { steps: sorted, before, next, accepts: new Uint8Array(this.end + 1) };
    this.#states.set(key, state);
    return state;
  }
}

/** Two bytes are of one class when every set of the pattern has both or neither, and an edge can't tell them apart. */
function classify(
  { steps }: Program,
  edges: boolean,
): { readonly classes: Uint8Array; readonly examples: readonly number[] } {
  const sets = new Set(steps.flatMap((step) => (step.kind === 'byte' ? [step.set] : [])));
  const numbers = new Map<string, number>();
  const examples: number[] = [];
  const classes = new Uint8Array(256);
  const signatures: string[] = Array.from({ length: 256 }, (_, byte) => (edges && isWordByte(byte) ? 'w' : ''));
  for (const set of sets)
    for (let byte = 0; byte < 256; byte += 1) signatures[byte] = `${signatures[byte] ?? ''}${String(set[byte])}`;
  for (const [byte, signature] of signatures.entries()) {
    const known = numbers.get(signature);
    if (known === undefined) examples.push(byte);
    classes[byte] = known ?? numbers.size;
    if (known === undefined) numbers.set(signature, numbers.size);
  }
  return { classes, examples };
}
