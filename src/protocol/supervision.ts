import { assertNever } from '../kernel/assert-never.ts';
import { LIMITS } from '../kernel/limits.ts';

/**
 * The bundle's supervision as a pure machine (DESIGN 9, HOTSPOTS H10, H11): `step(state, event) → {state, effects}`.
 * Time is given with each event. One instance of a service lives at a time; after a stop was asked for nothing is
 * started; every run ends.
 */
export type ServicePhase =
  | { readonly kind: 'live'; readonly instance: number; readonly condition: Condition }
  | { readonly kind: 'waiting'; readonly instance: number }
  | { readonly kind: 'down'; readonly instance: number };

/** Of a living instance. `late` was killed because it never became ready; `restarting` was told to end. */
export type Condition = 'starting' | 'ready' | 'late' | 'restarting';

export interface ServiceState<Name extends string> {
  readonly name: Name;
  readonly phase: ServicePhase;
  /** Times of the crashes that still count, oldest first. */
  readonly crashes: readonly number[];
}

export interface Ending {
  /** Who wanted it: the exit status depends on nothing else but `forced`. */
  readonly requested: boolean;
  readonly forced: boolean;
  readonly reason: string;
}

export interface SupervisionState<Name extends string> {
  readonly services: readonly ServiceState<Name>[];
  readonly ending: Ending | null;
  readonly ended: boolean;
}

export type SupervisionEvent<Name extends string> =
  | { readonly kind: 'started' }
  | { readonly kind: 'became-ready'; readonly service: Name; readonly instance: number }
  | {
      readonly kind: 'exited';
      readonly service: Name;
      readonly instance: number;
      readonly clean: boolean;
      readonly how: string;
    }
  | { readonly kind: 'stop-requested' }
  | { readonly kind: 'restart-requested'; readonly service: Name }
  | { readonly kind: 'ready-overdue'; readonly service: Name; readonly instance: number }
  | { readonly kind: 'restart-due'; readonly service: Name; readonly instance: number }
  | { readonly kind: 'grace-over'; readonly service: Name; readonly instance: number };

export type SupervisionEffect<Name extends string> =
  | { readonly kind: 'spawn'; readonly service: Name; readonly instance: number }
  | {
      readonly kind: 'signal';
      readonly service: Name;
      readonly instance: number;
      readonly signal: 'SIGTERM' | 'SIGKILL';
    }
  | { readonly kind: 'set-timer'; readonly afterMs: number; readonly event: SupervisionEvent<Name> }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'end'; readonly status: number; readonly reason: string };

export interface Step<Name extends string> {
  readonly state: SupervisionState<Name>;
  readonly effects: readonly SupervisionEffect<Name>[];
}

const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 5_000;

export function initialState<Name extends string>(names: readonly Name[]): SupervisionState<Name> {
  const services = names.map((name) => ({ name, phase: { kind: 'down', instance: 0 } as const, crashes: [] }));
  return { services, ending: null, ended: false };
}

export function step<Name extends string>(
  state: SupervisionState<Name>,
  event: SupervisionEvent<Name>,
  nowMs: number,
): Step<Name> {
  if (state.ended) return { state, effects: [] };
  switch (event.kind) {
    case 'started':
      return state.ending === null ? spawnAll(state) : { state, effects: [] };
    case 'became-ready':
      return update(state, event.service, (service) => becameReady(service, event.instance));
    case 'exited':
      return exited(state, event, nowMs);
    case 'stop-requested':
      return beginEnding(state, { requested: true, forced: false, reason: 'stop requested' });
    case 'restart-requested':
      return state.ending === null ? update(state, event.service, restart) : { state, effects: [] };
    case 'ready-overdue':
      return state.ending === null
        ? update(state, event.service, (service) => readyOverdue(service, event.instance))
        : { state, effects: [] };
    case 'restart-due':
      return update(state, event.service, (service) => restartDue(service, event.instance));
    case 'grace-over':
      return graceOver(state, event.service, event.instance);
    default:
      return assertNever(event);
  }
}

/**
 * Requests that wait already need no second place in the queue (H10): the index of the one that this repeats, or -1.
 * What happened to an instance is never a repeat.
 */
export function indexOfRepeat<Name extends string>(
  queue: readonly SupervisionEvent<Name>[],
  event: SupervisionEvent<Name>,
): number {
  switch (event.kind) {
    case 'stop-requested':
      return queue.findIndex(({ kind }) => kind === event.kind);
    case 'restart-requested':
      return queue.findIndex((queued) => queued.kind === event.kind && queued.service === event.service);
    default:
      return -1;
  }
}

/** H11: 0 only for a requested stop that nothing had to be forced for; crashes before it are events, not the status. */
export function exitStatus({ requested, forced }: Ending): 0 | 1 {
  return requested && !forced ? 0 : 1;
}

interface ServiceStep<Name extends string> {
  readonly service: ServiceState<Name>;
  readonly effects: readonly SupervisionEffect<Name>[];
}

function update<Name extends string>(
  state: SupervisionState<Name>,
  name: Name,
  change: (service: ServiceState<Name>) => ServiceStep<Name>,
): Step<Name> {
  const effects: SupervisionEffect<Name>[] = [];
  const services = state.services.map((service) => {
    if (service.name !== name) return service;
    const changed = change(service);
    effects.push(...changed.effects);
    return changed.service;
  });
  return { state: { ...state, services }, effects };
}

function spawnAll<Name extends string>(state: SupervisionState<Name>): Step<Name> {
  const steps = state.services.map(spawn);
  return {
    state: { ...state, services: steps.map(({ service }) => service) },
    effects: steps.flatMap(({ effects }) => effects),
  };
}

function spawn<Name extends string>(service: ServiceState<Name>): ServiceStep<Name> {
  if (service.phase.kind === 'live') return { service, effects: [] };
  const instance = service.phase.instance + 1;
  return {
    service: { ...service, phase: { kind: 'live', instance, condition: 'starting' } },
    effects: [
      { kind: 'spawn', service: service.name, instance },
      {
        kind: 'set-timer',
        afterMs: LIMITS.readyTimeoutMs,
        event: { kind: 'ready-overdue', service: service.name, instance },
      },
    ],
  };
}

function becameReady<Name extends string>(service: ServiceState<Name>, instance: number): ServiceStep<Name> {
  const { phase } = service;
  if (phase.kind !== 'live' || phase.instance !== instance || phase.condition !== 'starting') {
    return { service, effects: [] };
  }
  return { service: { ...service, phase: { ...phase, condition: 'ready' } }, effects: [] };
}

/** What hangs at its start counts as a crash: nothing is drained, for it has served nothing. */
function readyOverdue<Name extends string>(service: ServiceState<Name>, instance: number): ServiceStep<Name> {
  const { phase, name } = service;
  if (phase.kind !== 'live' || phase.instance !== instance || phase.condition !== 'starting') {
    return { service, effects: [] };
  }
  return {
    service: { ...service, phase: { ...phase, condition: 'late' } },
    effects: [{ kind: 'signal', service: name, instance, signal: 'SIGKILL' }],
  };
}

/** A restart of something that is restarting already is the same restart. */
function restart<Name extends string>(service: ServiceState<Name>): ServiceStep<Name> {
  const { phase, name } = service;
  if (phase.kind !== 'live' || phase.condition === 'restarting') return { service, effects: [] };
  return {
    service: { ...service, phase: { ...phase, condition: 'restarting' } },
    effects: terminate(name, phase.instance),
  };
}

function terminate<Name extends string>(service: Name, instance: number): readonly SupervisionEffect<Name>[] {
  return [
    { kind: 'signal', service, instance, signal: 'SIGTERM' },
    { kind: 'set-timer', afterMs: LIMITS.serviceStopGraceMs, event: { kind: 'grace-over', service, instance } },
  ];
}

/** Only a service that waits is due: an ending has taken all others, and those that waited, out of turn. */
function restartDue<Name extends string>(service: ServiceState<Name>, instance: number): ServiceStep<Name> {
  const due = service.phase.kind === 'waiting' && service.phase.instance === instance;
  return due ? spawn(service) : { service, effects: [] };
}

function exited<Name extends string>(
  state: SupervisionState<Name>,
  event: Extract<SupervisionEvent<Name>, { kind: 'exited' }>,
  nowMs: number,
): Step<Name> {
  const service = state.services.find(({ name }) => name === event.service);
  if (service?.phase.kind !== 'live' || service.phase.instance !== event.instance) return { state, effects: [] };
  const { instance, condition } = service.phase;
  const down = { ...service, phase: { kind: 'down', instance } as const };
  if (state.ending !== null) {
    const effects = event.clean ? [] : [{ kind: 'note', text: `${event.service} ended with ${event.how}` } as const];
    return finishIfAllDown(update(state, event.service, () => ({ service: down, effects })));
  }
  if (condition === 'restarting') return update(state, event.service, () => spawn(down));
  const how = condition === 'late' ? `not ready within ${String(LIMITS.readyTimeoutMs / 1000)} s` : event.how;
  return crashed(state, { ...down, crashes: recent([...service.crashes, nowMs], nowMs) }, how);
}

function recent(crashes: readonly number[], nowMs: number): readonly number[] {
  return crashes.filter((at) => nowMs - at < LIMITS.restartWindowMs);
}

function crashed<Name extends string>(
  state: SupervisionState<Name>,
  service: ServiceState<Name>,
  how: string,
): Step<Name> {
  const { name, crashes, phase } = service;
  const note = { kind: 'note', text: `${name} ended unasked (${how})` } as const;
  if (crashes.length > LIMITS.restartsPerWindow) {
    const after = update(state, name, () => ({ service, effects: [] }));
    const seconds = String(LIMITS.restartWindowMs / 1000);
    const reason = `${name} can't come back: it ended ${String(crashes.length)} times within ${seconds} s, last ${how}`;
    const ending = beginEnding(after.state, { requested: false, forced: false, reason });
    return { state: ending.state, effects: [note, ...ending.effects] };
  }
  const waiting = { ...service, phase: { kind: 'waiting', instance: phase.instance } as const };
  const afterMs = Math.min(FIRST_BACKOFF_MS * 2 ** (crashes.length - 1), LONGEST_BACKOFF_MS);
  const timer = {
    kind: 'set-timer',
    afterMs,
    event: { kind: 'restart-due', service: name, instance: phase.instance },
  } as const;
  return update(state, name, () => ({ service: waiting, effects: [note, timer] }));
}

/** The first ending wins; asking again while it runs changes nothing. */
function beginEnding<Name extends string>(state: SupervisionState<Name>, ending: Ending): Step<Name> {
  if (state.ending !== null) return { state, effects: [] };
  const effects: SupervisionEffect<Name>[] = [];
  const services = state.services.map((service): ServiceState<Name> => {
    const { phase, name } = service;
    if (phase.kind !== 'live') return { ...service, phase: { kind: 'down', instance: phase.instance } };
    if (phase.condition !== 'restarting') effects.push(...terminate(name, phase.instance));
    return service;
  });
  return finishIfAllDown({ state: { ...state, services, ending }, effects });
}

function graceOver<Name extends string>(state: SupervisionState<Name>, name: Name, instance: number): Step<Name> {
  const service = state.services.find((candidate) => candidate.name === name);
  if (service?.phase.kind !== 'live' || service.phase.instance !== instance) return { state, effects: [] };
  const ending = state.ending === null ? null : { ...state.ending, forced: true };
  return { state: { ...state, ending }, effects: [{ kind: 'signal', service: name, instance, signal: 'SIGKILL' }] };
}

function finishIfAllDown<Name extends string>({ state, effects }: Step<Name>): Step<Name> {
  if (state.ending === null || state.services.some(({ phase }) => phase.kind !== 'down')) return { state, effects };
  const end = { kind: 'end', status: exitStatus(state.ending), reason: state.ending.reason } as const;
  return { state: { ...state, ended: true }, effects: [...effects, end] };
}
