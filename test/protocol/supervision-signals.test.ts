import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/kernel/limits.ts';
import {
  indexOfRepeat,
  initialState,
  step,
  type SupervisionEffect,
  type SupervisionEvent,
  type SupervisionState,
} from '../../src/protocol/supervision.ts';
import { SeededRandom } from '../fuzz/random.ts';

/**
 * Init's loop without a process: signals and news are put in its queue, and now and then the loop takes its turn. What
 * is ordered happens a random while later, as it does with real processes.
 */
type Name = 'egress' | 'git-gate';
type Event = SupervisionEvent<Name>;
const NAMES: readonly Name[] = ['egress', 'git-gate'];

const SIGNALS = ['SIGTERM', 'SIGCHLD', 'SIGUSR2', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];
const COUNT = 1_000;

class Machine {
  state: SupervisionState<Name> = initialState(NAMES);
  nowMs = 0;
  readonly live = new Map<Name, number>();
  readonly spawns = new Map<Name, number>();
  readonly deaths = new Map<Name, number>();
  readonly ends: { readonly status: number; readonly reason: string }[] = [];
  longestQueue = 0;
  readonly #random: SeededRandom;
  readonly #queue: Event[] = [{ kind: 'started' }];
  #timers: { readonly dueMs: number; readonly event: Event }[] = [];
  /** Told to end, and not gone yet. */
  readonly #ending = new Set<Name>();
  #stopAsked = false;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.turn();
  }

  signal(signal: Signal): void {
    if (signal === 'SIGTERM') this.ask({ kind: 'stop-requested' });
  }

  ask(event: Event): void {
    if (event.kind === 'stop-requested') this.#stopAsked = true;
    if (indexOfRepeat(this.#queue, event) === -1) this.#queue.push(event);
    this.longestQueue = Math.max(this.longestQueue, this.#queue.length);
  }

  /** As kill -9 does, or its own end. */
  dies(service: Name, how: string): void {
    const instance = this.live.get(service);
    if (instance === undefined) return;
    this.live.delete(service);
    this.#ending.delete(service);
    this.deaths.set(service, (this.deaths.get(service) ?? 0) + 1);
    this.ask({ kind: 'exited', service, instance, clean: how === 'exit 0', how });
  }

  becomesReady(service: Name): void {
    const instance = this.live.get(service);
    if (instance !== undefined) this.ask({ kind: 'became-ready', service, instance });
  }

  turn(): void {
    for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
      const next = step(this.state, event, this.nowMs);
      this.state = next.state;
      for (const effect of next.effects) this.#obey(effect);
    }
  }

  /** Whoever was told to end does, and timers that are due fire. */
  passes(ms: number, atOnce = false): void {
    this.nowMs += ms;
    for (const service of [...this.#ending]) if (atOnce || this.#random.below(2) === 0) this.dies(service, 'exit 0');
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.nowMs);
    for (const { event } of due) this.ask(event);
  }

  #obey(effect: SupervisionEffect<Name>): void {
    switch (effect.kind) {
      case 'spawn':
        expect(this.live.has(effect.service), 'a second living instance').toBe(false);
        expect(this.state.ending === null || !this.#stopAsked, 'a start after the stop').toBe(true);
        this.live.set(effect.service, effect.instance);
        this.spawns.set(effect.service, (this.spawns.get(effect.service) ?? 0) + 1);
        return;
      case 'signal':
        // It may have died just now, and the news still wait; another it must not be.
        expect([undefined, effect.instance], 'a signal to somebody else').toContain(this.live.get(effect.service));
        if (!this.live.has(effect.service)) return;
        if (effect.signal === 'SIGKILL') this.dies(effect.service, 'killed by SIGKILL');
        else this.#ending.add(effect.service);
        return;
      case 'set-timer':
        this.#timers.push({ dueMs: this.nowMs + effect.afterMs, event: effect.event });
        return;
      case 'end':
        expect(this.live.size, 'the end while something lives').toBe(0);
        this.ends.push(effect);
        return;
      case 'note':
        return;
    }
  }
}

function untilQuiet(machine: Machine): void {
  for (let at = 0; at < 200; at += 1) {
    machine.passes(LIMITS.readyTimeoutMs / 20, true);
    for (const service of NAMES) machine.becomesReady(service);
    machine.turn();
  }
}

describe('H10 a thousand signals during restarts, on the machine alone', () => {
  it('none but SIGTERM does anything: each death and each request is one restart, and nothing is lost', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new SeededRandom(seed);
        const machine = new Machine(random);
        let asked = 0;
        for (let sent = 0; sent < COUNT; sent += 1) {
          machine.signal(random.pick(['SIGCHLD', 'SIGUSR2', 'SIGHUP']));
          const service = random.pick(NAMES);
          const chance = random.below(20);
          if (chance === 0 && machine.live.has(service)) machine.dies(service, 'killed by SIGKILL');
          else if (chance < 4) machine.ask({ kind: 'restart-requested', service });
          if (chance < 4) asked += 1;
          if (chance < 12) machine.becomesReady(service);
          if (random.below(3) === 0) machine.turn();
          // So seldom that nobody is given up: five deaths within the window are let pass. A death counts from when it is
          // heard of, and so does one who is not ready in time.
          if (chance === 0) {
            for (const name of NAMES) machine.becomesReady(name);
            machine.turn();
            machine.passes(LIMITS.restartWindowMs / LIMITS.restartsPerWindow + 1);
          } else machine.passes(random.below(200));
        }
        untilQuiet(machine);
        expect(asked).toBeGreaterThan(100);
        expect(machine.ends).toEqual([]);
        expect(machine.state.ending).toBeNull();
        for (const service of NAMES) {
          expect(machine.live.has(service), `${service} is there`).toBe(true);
          expect(machine.spawns.get(service), service).toBe((machine.deaths.get(service) ?? 0) + 1);
        }
        expect(machine.longestQueue).toBeLessThan(100);
      }),
      { numRuns: 100 },
    );
  });

  it('with SIGTERM among them: one end, asked for, with status 0, and nobody is started after it', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new SeededRandom(seed);
        const machine = new Machine(random);
        const first = random.below(COUNT);
        for (let sent = 0; sent < COUNT; sent += 1) {
          machine.signal(
            sent === first ? 'SIGTERM' : sent < first ? random.pick(SIGNALS.slice(1)) : random.pick(SIGNALS),
          );
          const service = random.pick(NAMES);
          const chance = random.below(20);
          if (chance === 0) machine.dies(service, 'killed by SIGKILL');
          else if (chance < 4) machine.ask({ kind: 'restart-requested', service });
          if (chance < 12) machine.becomesReady(service);
          if (random.below(3) === 0) machine.turn();
          if (chance === 0 && sent < first) machine.passes(LIMITS.restartWindowMs / LIMITS.restartsPerWindow + 1);
          else machine.passes(random.below(50));
        }
        untilQuiet(machine);
        expect(machine.ends).toHaveLength(1);
        expect(machine.ends[0]).toMatchObject({ status: 0, reason: 'stop requested' });
        expect(machine.live.size).toBe(0);
        expect(machine.state.ended).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
