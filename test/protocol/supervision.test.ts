import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/kernel/limits.ts';
import {
  exitStatus,
  indexOfRepeat,
  initialState,
  step,
  type SupervisionEffect,
  type SupervisionEvent,
  type SupervisionState,
} from '../../src/protocol/supervision.ts';

type Name = 'egress' | 'git';
type Event = SupervisionEvent<Name>;
type Effect = SupervisionEffect<Name>;

const exited = (service: Name, instance: number, how = 'exit 1'): Event => ({
  kind: 'exited',
  service,
  instance,
  clean: how === 'exit 0',
  how,
});

/** Effects of a playbook, one line each; `at` gives the time of every event. */
function play(events: readonly Event[], names: readonly Name[] = ['egress'], at = (index: number): number => index) {
  let state: SupervisionState<Name> = initialState(names);
  const lines = events.map((event, index) => {
    const next = step(state, event, at(index));
    state = next.state;
    return next.effects.map(line).join(', ');
  });
  return { state, lines };
}

function line(effect: Effect): string {
  switch (effect.kind) {
    case 'spawn':
      return `spawn ${effect.service} ${effect.instance}`;
    case 'signal':
      return `${effect.signal} ${effect.service} ${effect.instance}`;
    case 'set-timer':
      return `${effect.event.kind} in ${effect.afterMs}`;
    case 'note':
      return `note: ${effect.text}`;
    case 'end':
      return `end ${effect.status}: ${effect.reason}`;
  }
}

const started: Event = { kind: 'started' };
const stop: Event = { kind: 'stop-requested' };
const ready = (instance: number): Event => ({ kind: 'became-ready', service: 'egress', instance });
const restart: Event = { kind: 'restart-requested', service: 'egress' };
const graceOver = (instance: number): Event => ({ kind: 'grace-over', service: 'egress', instance });
const restartDue = (instance: number): Event => ({ kind: 'restart-due', service: 'egress', instance });
const readyOverdue = (instance: number): Event => ({ kind: 'ready-overdue', service: 'egress', instance });

const SPAWN_1 = 'spawn egress 1, ready-overdue in 15000';
const SPAWN_2 = 'spawn egress 2, ready-overdue in 15000';
const TERM_1 = 'SIGTERM egress 1, grace-over in 8000';

describe('supervision, as playbooks: event → effects', () => {
  it.each<{ why: string; script: readonly (readonly [Event, string])[] }>([
    {
      why: 'a stop that was asked for ends with 0',
      script: [
        [started, SPAWN_1],
        [ready(1), ''],
        [stop, TERM_1],
        [exited('egress', 1, 'exit 0'), 'end 0: stop requested'],
      ],
    },
    {
      why: 'a crash is noted and healed, and the stop after it is still clean (H11)',
      script: [
        [started, SPAWN_1],
        [exited('egress', 1), 'note: egress ended unasked (exit 1), restart-due in 50'],
        [restartDue(1), SPAWN_2],
        [ready(2), ''],
        [stop, 'SIGTERM egress 2, grace-over in 8000'],
        [exited('egress', 2, 'exit 0'), 'end 0: stop requested'],
      ],
    },
    {
      why: 'what does not end within the grace is killed, and the stop counts as forced (H11)',
      script: [
        [started, SPAWN_1],
        [stop, TERM_1],
        [graceOver(1), 'SIGKILL egress 1'],
        [exited('egress', 1, 'killed by SIGKILL'), 'note: egress ended with killed by SIGKILL, end 1: stop requested'],
      ],
    },
    {
      why: 'a service that fails while it stops is an event, not the status (H11)',
      script: [
        [started, SPAWN_1],
        [stop, TERM_1],
        [exited('egress', 1, 'exit 7'), 'note: egress ended with exit 7, end 0: stop requested'],
      ],
    },
    {
      why: 'a stop during back-off has nothing to wait for, and nothing comes back after it',
      script: [
        [started, SPAWN_1],
        [exited('egress', 1), 'note: egress ended unasked (exit 1), restart-due in 50'],
        [stop, 'end 0: stop requested'],
        [restartDue(1), ''],
        [started, ''],
      ],
    },
    {
      why: 'a stop before the start ends at once; a start after it starts nothing',
      script: [
        [stop, 'end 0: stop requested'],
        [started, ''],
      ],
    },
    {
      why: 'the start comes once',
      script: [
        [started, SPAWN_1],
        [started, ''],
      ],
    },
    {
      why: 'repeats of a request do nothing more (H10)',
      script: [
        [started, SPAWN_1],
        [restart, TERM_1],
        [restart, ''],
        [stop, ''],
        [stop, ''],
        [restart, ''],
        [exited('egress', 1, 'exit 0'), 'end 0: stop requested'],
      ],
    },
    {
      why: 'a restart waits for the old instance, is no crash, and forces it if need be',
      script: [
        [started, SPAWN_1],
        [ready(1), ''],
        [restart, TERM_1],
        [graceOver(1), 'SIGKILL egress 1'],
        [exited('egress', 1, 'killed by SIGKILL'), SPAWN_2],
        [graceOver(1), ''],
        [stop, 'SIGTERM egress 2, grace-over in 8000'],
        [exited('egress', 2, 'exit 0'), 'end 0: stop requested'],
      ],
    },
    {
      why: 'a restart makes room for the next instance; during back-off that comes anyway',
      script: [
        [started, SPAWN_1],
        [restart, TERM_1],
        [exited('egress', 1, 'exit 0'), SPAWN_2],
        [exited('egress', 2), 'note: egress ended unasked (exit 1), restart-due in 50'],
        [restart, ''],
        [restartDue(2), 'spawn egress 3, ready-overdue in 15000'],
      ],
    },
    {
      why: 'what hangs at its start is killed and counts as a crash',
      script: [
        [started, SPAWN_1],
        [readyOverdue(1), 'SIGKILL egress 1'],
        [ready(1), ''],
        [
          exited('egress', 1, 'killed by SIGKILL'),
          'note: egress ended unasked (not ready within 15 s), restart-due in 50',
        ],
      ],
    },
    {
      why: 'what is ready is not late, and what is told to end has the grace, not the start, to do so',
      script: [
        [started, SPAWN_1],
        [ready(1), ''],
        [readyOverdue(1), ''],
        [restart, TERM_1],
        [readyOverdue(1), ''],
        [stop, ''],
        [readyOverdue(1), ''],
        [graceOver(1), 'SIGKILL egress 1'],
      ],
    },
    {
      why: 'news of an instance that is gone means nothing',
      script: [
        [started, SPAWN_1],
        [exited('egress', 1), 'note: egress ended unasked (exit 1), restart-due in 50'],
        [restartDue(1), SPAWN_2],
        [exited('egress', 1), ''],
        [ready(1), ''],
        [restartDue(1), ''],
        [readyOverdue(1), ''],
        [graceOver(1), ''],
      ],
    },
  ])('$why', ({ script }) => {
    const { lines } = play(script.map(([event]) => event));
    expect(lines).toEqual(script.map(([, effects]) => effects));
  });

  it('backs off exponentially, and then ends the bundle in order, saying why', () => {
    const crashes = LIMITS.restartsPerWindow + 1;
    const events = [
      started,
      ...Array.from({ length: crashes }, (_, index) => [
        exited('egress', index + 1, 'exit 9'),
        restartDue(index + 1),
      ]).flat(),
    ];
    const { lines, state } = play(events, ['egress', 'git']);
    const delays = lines.flatMap((text) => /restart-due in (\d+)/.exec(text)?.[1] ?? []);
    expect(delays).toEqual(['50', '100', '200', '400', '800']);
    expect(lines.at(-2)).toBe('note: egress ended unasked (exit 9), SIGTERM git 1, grace-over in 8000');
    expect(lines.at(-1)).toBe('');
    const last = step(state, exited('git', 1, 'exit 0'), 0).effects.map(line);
    expect(last).toEqual(["end 1: egress can't come back: it ended 6 times within 60 s, last exit 9"]);
  });

  it('a crash that is older than the window no longer counts', () => {
    const events = [
      started,
      ...Array.from({ length: 20 }, (_, index) => [exited('egress', index + 1), restartDue(index + 1)]).flat(),
    ];
    const { lines } = play(events, ['egress'], (index) => index * LIMITS.restartWindowMs);
    expect(lines.at(-1)).toBe('spawn egress 21, ready-overdue in 15000');
    expect(new Set(lines.flatMap((text) => /restart-due in (\d+)/.exec(text)?.[1] ?? []))).toEqual(new Set(['50']));
  });

  it('one service that crashes does not touch the other', () => {
    const { lines, state } = play([started, exited('git', 1)], ['egress', 'git']);
    expect(lines[1]).toBe('note: git ended unasked (exit 1), restart-due in 50');
    expect(state.services[0]?.phase).toEqual({ kind: 'live', instance: 1, condition: 'starting' });
  });
});

describe('H11 the exit status is a function of the ending alone', () => {
  it.each([
    { why: 'asked for, completed', requested: true, forced: false, status: 0 },
    { why: 'asked for, but forced', requested: true, forced: true, status: 1 },
    { why: 'not asked for', requested: false, forced: false, status: 1 },
    { why: 'not asked for, and forced', requested: false, forced: true, status: 1 },
  ])('$why → $status', ({ status, ...ending }) => {
    expect(exitStatus({ ...ending, reason: 'any' })).toBe(status);
  });
});

describe('H10 repeats coalesce in the queue', () => {
  const queue: readonly Event[] = [exited('egress', 1), restart, stop];
  it.each<{ why: string; event: Event; at: number }>([
    { why: 'a second stop', event: stop, at: 2 },
    { why: 'a second restart of the same service', event: restart, at: 1 },
    { why: "another service's restart", event: { kind: 'restart-requested', service: 'git' }, at: -1 },
    { why: 'what happened is never a repeat', event: exited('egress', 1), at: -1 },
    { why: 'nor is the start', event: started, at: -1 },
  ])('$why → $at', ({ event, at }) => {
    expect(indexOfRepeat(queue, event)).toBe(at);
  });
});

/** A world that obeys: what is spawned lives, what is killed dies, timers fire when the run says so. */
class World {
  state: SupervisionState<Name> = initialState<Name>(['egress', 'git']);
  readonly live = new Map<Name, { readonly instance: number; doomed: boolean }>();
  readonly timers: { readonly dueMs: number; readonly event: Event }[] = [];
  readonly ends: number[] = [];
  nowMs = 0;
  stopAsked = false;
  crashed = false;
  killedWhileStopping = false;

  send(event: Event): void {
    if (event.kind === 'stop-requested' && this.ends.length === 0) this.stopAsked ||= this.state.ending === null;
    const asked = this.state.ending !== null;
    const next = step(this.state, event, this.nowMs);
    this.state = next.state;
    for (const effect of next.effects) this.#obey(effect, asked);
  }

  exit(service: Name, how: string): void {
    const { instance = 0 } = this.live.get(service) ?? {};
    if (this.live.delete(service)) this.send(exited(service, instance, how));
  }

  fireNextTimer(): boolean {
    this.timers.sort((a, b) => a.dueMs - b.dueMs);
    const timer = this.timers.shift();
    if (timer === undefined) return false;
    this.nowMs = Math.max(this.nowMs, timer.dueMs);
    this.send(timer.event);
    return true;
  }

  #obey(effect: Effect, ending: boolean): void {
    if (effect.kind === 'spawn') {
      expect(this.live.has(effect.service), 'a second live instance').toBe(false);
      expect(ending, 'a spawn after the end was decided').toBe(false);
      this.live.set(effect.service, { instance: effect.instance, doomed: false });
    } else if (effect.kind === 'signal') {
      const live = this.live.get(effect.service);
      expect(live?.instance, 'a signal to what does not live').toBe(effect.instance);
      if (live !== undefined && effect.signal === 'SIGKILL') {
        live.doomed = true;
        this.killedWhileStopping ||= ending;
      }
    } else if (effect.kind === 'set-timer') {
      expect(effect.afterMs).toBeGreaterThan(0);
      this.timers.push({ dueMs: this.nowMs + effect.afterMs, event: effect.event });
    } else if (effect.kind === 'end') {
      expect(this.live.size, 'an end while something lives').toBe(0);
      this.ends.push(effect.status);
    }
  }
}

const service = fc.constantFrom<Name>('egress', 'git');
const instance = fc.integer({ min: 0, max: 12 });
type Act = (world: World) => void;
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(service, fc.constantFrom('exit 0', 'exit 1', 'killed by SIGSEGV')).map(([name, how]): Act => (world) => {
    world.exit(name, how);
  }),
  service.map((name): Act => (world) => {
    const { instance: current = 0 } = world.live.get(name) ?? {};
    world.send({ kind: 'became-ready', service: name, instance: current });
  }),
  fc.constant<Act>((world) => {
    world.fireNextTimer();
  }),
  fc.integer({ min: 1, max: 90_000 }).map((ms): Act => (world) => {
    world.nowMs += ms;
  }),
  fc
    .oneof(
      { arbitrary: fc.constant<Event>({ kind: 'stop-requested' }), weight: 1 },
      { arbitrary: fc.constant<Event>({ kind: 'started' }), weight: 1 },
      {
        arbitrary: service.map((name): Event => ({ kind: 'restart-requested', service: name })),
        weight: 4,
      },
      // Late, doubled and made-up news.
      {
        arbitrary: fc
          .tuple(
            service,
            instance,
            fc.constantFrom(
              'became-ready' as const,
              'restart-due' as const,
              'grace-over' as const,
              'ready-overdue' as const,
            ),
          )
          .map(([name, number, kind]): Event => ({ kind, service: name, instance: number })),
        weight: 4,
      },
    )
    .map((event): Act => (world) => {
      world.send(event);
    }),
);

function runWorld(acts: readonly Act[]): World {
  const world = new World();
  world.send({ kind: 'started' });
  for (const each of acts) each(world);
  return world;
}

/** After the stop services end only by being killed: the worst that can be. */
function stopAndSettle(world: World): number {
  world.send({ kind: 'stop-requested' });
  let steps = 0;
  for (; world.ends.length === 0 && steps < 1_000; steps += 1) {
    const doomed = [...world.live].find(([, { doomed }]) => doomed);
    if (doomed !== undefined) world.exit(doomed[0], 'killed by SIGKILL');
    else if (!world.fireNextTimer()) break;
  }
  return steps;
}

describe('supervision over every sequence of events', () => {
  it('H10 never has two live instances, never spawns after the end was decided, and ends once, when all are gone', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const world = runWorld(acts);
        expect(stopAndSettle(world)).toBeLessThan(100);
        expect(world.ends).toHaveLength(1);
        expect(world.state.ended).toBe(true);
        for (const late of acts) late(world);
        while (world.fireNextTimer()) continue;
        expect(world.ends).toHaveLength(1);
        expect(world.live.size).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('H11 status 0 is exactly: the end was asked for, and nothing was killed on the way', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const world = runWorld(acts);
        stopAndSettle(world);
        expect(world.ends[0]).toBe(world.stopAsked && !world.killedWhileStopping ? 0 : 1);
      }),
      { numRuns: 500 },
    );
  });

  it('a service that crashes for ever ends the run by itself', () => {
    fc.assert(
      fc.property(service, fc.array(act, { maxLength: 20 }), (name, acts) => {
        const world = runWorld(acts);
        let steps = 0;
        for (; world.ends.length === 0 && steps < 500; steps += 1) {
          world.exit(name, 'exit 1');
          for (const [other, { doomed }] of [...world.live]) if (doomed) world.exit(other, 'killed by SIGKILL');
          world.fireNextTimer();
        }
        expect(steps).toBeLessThan(500);
      }),
      { numRuns: 200 },
    );
  });
});
