import { isWordByte } from './byte-set.ts';
import { reach, type Program } from './program.ts';

const STATES_MAX = 4096;
const FIRST_STATES = 16;
const WORD_BYTE = 97;
const OTHER_BYTE = 32;
const UNKNOWN = -2;

/** No byte goes on from here. */
export const DEAD = -1;

/** A number of states, each a row of numbers: what a byte costs is one look-up. */
export class StateTable {
  /** By state and class of the next byte: the next state, `DEAD`, or less while nobody has asked. */
  next: Int32Array;
  /** By state and class of the next byte: 1 where the pattern has matched everything before it. */
  accepts: Uint8Array;
  /** By state: steps to go on from, before edges are looked at: those want to know the byte that comes. */
  readonly steps: (readonly number[])[] = [];
  /** By state, what the last byte was: -1 none (the text begins), 0 no word byte, 1 a word byte. */
  readonly before: (-1 | 0 | 1)[] = [];
  readonly #width: number;
  readonly #numbers = new Map<string, number>();

  constructor(width: number) {
    this.#width = width;
    this.next = new Int32Array(FIRST_STATES * width).fill(UNKNOWN);
    this.accepts = new Uint8Array(FIRST_STATES * width);
  }

  get isFull(): boolean {
    return this.steps.length >= STATES_MAX;
  }

  intern(steps: readonly number[], before: -1 | 0 | 1): number {
    const key = `${String(before)}:${steps.join()}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.steps.push(steps) - 1;
    this.before.push(before);
    this.#numbers.set(key, number);
    if ((number + 1) * this.#width > this.next.length) this.#grow();
    return number;
  }

  #grow(): void {
    const { next, accepts } = this;
    this.next = new Int32Array(next.length * 2).fill(UNKNOWN);
    this.next.set(next);
    this.accepts = new Uint8Array(accepts.length * 2);
    this.accepts.set(accepts);
  }
}

/** A match under way. A state is a number in its own table only. */
export interface Position {
  readonly table: StateTable;
  readonly state: number;
}

/**
 * A pattern as a machine that takes one table look-up per byte, whatever the pattern: its states are made when a text
 * first needs them (Thompson's lazy construction) and thrown away when there are too many. There is nothing to backtrack
 * to, so the time of a match is its length.
 */
export class Automaton {
  /** By byte: its class. Bytes of one class are never told apart. */
  readonly classes: Uint8Array;
  /** The class that stands for the end of the text. */
  readonly end: number;
  /** Of a row of a table. */
  readonly width: number;
  readonly #program: Program;
  /** A byte of each class. */
  readonly #examples: readonly number[];
  readonly #hasEdges: boolean;
  #table: StateTable;
  /** By what stands before: the beginning, as a position in the table of now. */
  #starts: (Position | undefined)[] = [];

  constructor(program: Program) {
    this.#program = program;
    this.#hasEdges = program.steps.some(({ kind }) => kind === 'edge');
    const { classes, examples } = classify(program, this.#hasEdges);
    this.classes = classes;
    this.#examples = examples;
    this.end = examples.length;
    this.width = this.end + 1;
    this.#table = new StateTable(this.width);
  }

  /** A byte of the class, or -1 for the end of the text. */
  exampleOf(byteClass: number): number {
    return this.#examples[byteClass] ?? -1;
  }

  /** `before` is the byte in front of the match, or -1. */
  start(before: number): Position {
    const kind = !this.#hasEdges ? 0 : before === -1 ? -1 : isWordByte(before) ? 1 : 0;
    return (this.#starts[kind + 1] ??= {
      table: this.#table,
      state: this.#table.intern([this.#program.start], kind),
    });
  }

  /** Fills in where a state goes by a byte of this class. From a full table the position moves to a new one. */
  extend(from: Position, byteClass: number): Position {
    const position = from.table.isFull ? this.#move(from) : from;
    const { table, state } = position;
    const { steps } = this.#program;
    const example = this.exampleOf(byteClass);
    const before = table.before[state] ?? -1;
    const place = { before: before === -1 ? -1 : before === 1 ? WORD_BYTE : OTHER_BYTE, after: example };
    const taken = new Set<number>();
    let accepts = 0;
    for (const index of reach(this.#program, table.steps[state] ?? [], place)) {
      const step = steps[index];
      if (step?.kind === 'end') accepts = 1;
      if (step?.kind === 'byte' && example !== -1 && step.set[example] === 1) taken.add(step.next);
    }
    const sorted = [...taken].sort((left, right) => left - right);
    const last = this.#hasEdges && isWordByte(example) ? 1 : 0;
    const next = sorted.length === 0 ? DEAD : table.intern(sorted, last);
    table.next[state * this.width + byteClass] = next;
    table.accepts[state * this.width + byteClass] = accepts;
    return position;
  }

  /** Whether the pattern has matched everything up to here when `byte` comes next; -1 is the end. */
  accepts({ table, state }: Position, byte: number): boolean {
    const byteClass = byte === -1 ? this.end : (this.classes[byte] ?? 0);
    const known = (table.next[state * this.width + byteClass] ?? UNKNOWN) >= DEAD;
    const at = known ? { table, state } : this.extend({ table, state }, byteClass);
    return at.table.accepts[at.state * this.width + byteClass] === 1;
  }

  /** Whoever is in the old table can still go on in it; only the sharing begins anew. */
  #move({ table, state }: Position): Position {
    if (this.#table.isFull) {
      this.#table = new StateTable(this.width);
      this.#starts = [];
    }
    const to = this.#table.intern(table.steps[state] ?? [], table.before[state] ?? -1);
    return { table: this.#table, state: to };
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
