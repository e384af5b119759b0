import type { Automaton } from './automaton.ts';
import { isWordByte } from './byte-set.ts';
import { holdsAt, type Place, type Program } from './program.ts';

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The ways that a match may go on, the preferred one first. */
interface State {
  readonly steps: readonly number[];
  /** As in the automaton: what edges want to know of the last byte. */
  readonly before: -1 | 0 | 1;
  /** By class of the next byte. */
  readonly moves: (Move | undefined)[];
  /** By class of what stands after the match: how the preferred way ends there. */
  readonly ends: (Way | null | undefined)[];
}

/** Where the ways of the next state come from, and which of them pass the group's borders in between. */
interface Move {
  readonly to: State;
  /** There is one way, and it passes no border. */
  readonly plain: boolean;
  readonly from: Int32Array;
  readonly borders: Uint8Array;
}

interface Way {
  readonly step: number;
  readonly from: number;
  readonly borders: number;
}

const OPENS = 1;
const CLOSES = 2;
const STATES_MAX = 1024;
const WORD_BYTE = 97;
const OTHER_BYTE = 32;

/**
 * Where one group of a pattern lies in a text that the pattern matches from end to end, by the pattern's own order of
 * preference (Pike's virtual machine). The ways that are open side by side are one state, and what they do at a byte is
 * remembered: a byte costs one step for each of them, nearly always one.
 */
export class GroupFinder {
  readonly #program: Program;
  readonly #automaton: Automaton;
  readonly #opening: number;
  #states = new Map<string, State>();
  #starts: [Int32Array, Int32Array];
  #ends: [Int32Array, Int32Array];

  /** `automaton` is the same pattern's: it knows which bytes can be told apart. */
  constructor(program: Program, automaton: Automaton, group: number) {
    this.#program = program;
    this.#automaton = automaton;
    this.#opening = group * 2;
    const { length } = program.steps;
    this.#starts = [new Int32Array(length), new Int32Array(length)];
    this.#ends = [new Int32Array(length), new Int32Array(length)];
  }

  /** Null for a group that took no part. `bytes` may go on beyond the match on both sides, so that edges see it. */
  find(bytes: Uint8Array, match: Span): Span | null {
    const { classes } = this.#automaton;
    const before = bytes[match.start - 1];
    let state = this.#intern([this.#program.start], before === undefined ? -1 : isWordByte(before) ? 1 : 0);
    let [starts, nextStarts] = this.#starts;
    let [ends, nextEnds] = this.#ends;
    starts[0] = -1;
    ends[0] = -1;
    for (let at = match.start; at < match.end; at += 1) {
      const byteClass = classes[bytes[at] ?? 0] ?? 0;
      const { to, plain, from, borders } = state.moves[byteClass] ?? this.#extend(state, byteClass);
      state = to;
      if (plain) continue;
      for (let way = 0; way < from.length; way += 1) {
        const came = from[way] ?? 0;
        const passed = borders[way] ?? 0;
        nextStarts[way] = (passed & OPENS) === 0 ? (starts[came] ?? -1) : at;
        nextEnds[way] = (passed & CLOSES) === 0 ? (ends[came] ?? -1) : at;
      }
      const [oldStarts, oldEnds] = [starts, ends];
      starts = nextStarts;
      ends = nextEnds;
      nextStarts = oldStarts;
      nextEnds = oldEnds;
    }
    const after = match.end < bytes.length ? (classes[bytes[match.end] ?? 0] ?? 0) : this.#automaton.end;
    const last = (state.ends[after] ??= this.#endOf(state, after));
    if (last === null) return null;
    const start = (last.borders & OPENS) === 0 ? (starts[last.from] ?? -1) : match.end;
    const end = (last.borders & CLOSES) === 0 ? (ends[last.from] ?? -1) : match.end;
    return start === -1 || end === -1 ? null : { start, end };
  }

  #extend(state: State, byteClass: number): Move {
    const byte = this.#automaton.exampleOf(byteClass);
    const ways: Way[] = [];
    for (const way of this.#reach(state, byteClass)) {
      const step = this.#program.steps[way.step];
      if (step?.kind !== 'byte' || step.set[byte] !== 1) continue;
      // Who comes to the same step later is less preferred from here on.
      if (!ways.some((known) => known.step === step.next)) ways.push({ ...way, step: step.next });
    }
    const [only] = ways;
    const move: Move = {
      plain: ways.length === 1 && only?.from === 0 && only.borders === 0,
      to: this.#intern(
        ways.map(({ step }) => step),
        isWordByte(byte) ? 1 : 0,
      ),
      from: Int32Array.from(ways, ({ from }) => from),
      borders: Uint8Array.from(ways, ({ borders }) => borders),
    };
    state.moves[byteClass] = move;
    return move;
  }

  #endOf(state: State, byteClass: number): Way | null {
    return this.#reach(state, byteClass).find(({ step }) => this.#program.steps[step]?.kind === 'end') ?? null;
  }

  /** Steps that take a byte or end, in order of preference. */
  #reach(state: State, byteClass: number): readonly Way[] {
    const { steps } = this.#program;
    const place: Place = {
      before: state.before === -1 ? -1 : state.before === 1 ? WORD_BYTE : OTHER_BYTE,
      after: this.#automaton.exampleOf(byteClass),
    };
    const reached: Way[] = [];
    const seen = new Set<number>();
    const open: Way[] = state.steps.map((step, from) => ({ step, from, borders: 0 })).toReversed();
    for (let way = open.pop(); way !== undefined; way = open.pop()) {
      const step = steps[way.step];
      if (step === undefined || seen.has(way.step)) continue;
      seen.add(way.step);
      if (step.kind === 'fork') for (const next of step.next.toReversed()) open.push({ ...way, step: next });
      else if (step.kind === 'save')
        open.push({ ...way, step: step.next, borders: way.borders | this.#border(step.slot) });
      else if (step.kind !== 'edge') reached.push(way);
      else if (holdsAt(step.edge, place)) open.push({ ...way, step: step.next });
    }
    return reached;
  }

  #border(slot: number): number {
    return slot === this.#opening ? OPENS : slot === this.#opening + 1 ? CLOSES : 0;
  }

  #intern(steps: readonly number[], before: State['before']): State {
    const key = `${String(before)}:${steps.join()}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    if (this.#states.size >= STATES_MAX) this.#states = new Map();
    const moves = new Array<Move | undefined>(this.#automaton.end).fill(undefined);
    const ends = new Array<Way | null | undefined>(this.#automaton.end + 1).fill(undefined);
    const state: State = { steps, before, moves, ends };
    this.#states.set(key, state);
    return state;
  }
}
