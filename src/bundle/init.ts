import fs from 'node:fs';
import { LIMITS } from '../kernel/limits.ts';
import { LineReader } from '../platform/line-reader.ts';
import {
  indexOfRepeat,
  initialState,
  step,
  type SupervisionEffect,
  type SupervisionEvent,
} from '../protocol/supervision.ts';
import {
  describeExit,
  INIT_FD,
  InitDocumentSchema,
  InitEventSchema,
  type InitEvent,
  type InitOrder,
  type ServiceName,
} from '../schema/bundle.ts';
import { decodeJson } from '../schema/json.ts';

/**
 * The bundle's init: keeps the services' secrets for restarts and decides what lives. It has no network and meets no
 * byte from bottle or network; it orders, the launcher does. Handlers only enqueue, one loop acts (HOTSPOTS H10).
 */
type Event = SupervisionEvent<ServiceName>;

/** Meant for somebody else in the terminal's group, or for nobody: the launcher says what init is to do. */
const IGNORED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCHLD', 'SIGPIPE', 'SIGALRM'] as const;

function main(): void {
  const documents = readDocuments();
  const queue: Event[] = [{ kind: 'started' }];
  let state = initialState([...documents.keys()]);
  let scheduled = false;

  const enqueue = (event: Event): void => {
    if (indexOfRepeat(queue, event) === -1) queue.push(event);
    if (scheduled) return;
    scheduled = true;
    setImmediate(drain);
  };

  const drain = (): void => {
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
      const next = step(state, event, performance.now());
      state = next.state;
      for (const effect of next.effects) perform(effect, documents, enqueue);
    }
    scheduled = false;
  };

  process.on('SIGTERM', () => {
    enqueue({ kind: 'stop-requested' });
  });
  for (const signal of IGNORED) process.on(signal, ignore);
  // At once, not in its turn: whatever is spawned from now on has it.
  listen(enqueue, (service, document) => documents.set(service, document));
  drain();
}

function ignore(): void {
  // A handler is what keeps the signal from ending the process.
}

/** The pipe is read to its end and closed: after this no descriptor leads to the secrets. */
function readDocuments(): Map<ServiceName, string> {
  const text = fs.readFileSync(INIT_FD.secrets, 'utf8');
  fs.closeSync(INIT_FD.secrets);
  const parsed = decodeJson(InitDocumentSchema, text);
  if (!parsed.ok) exitWith(`the init document is not valid: ${parsed.error}`);
  return new Map(parsed.value.services.map(({ name, document }) => [name, document]));
}

/** Events from the launcher; when its pipe ends the launcher is gone, and so is everything it owned. */
function listen(enqueue: (event: Event) => void, keep: (service: ServiceName, document: string) => void): void {
  const lines = new LineReader(LIMITS.bundleMessageBytes);
  process.stdin.on('data', (chunk: Buffer) => {
    const complete = lines.push(chunk);
    if (complete === null) exitWith('a line of the launcher is too long');
    for (const line of complete) {
      const event = decodeJson(InitEventSchema, line);
      if (!event.ok) exitWith(`the launcher said what init does not know: ${event.error}`);
      if (event.value.event === 'document') keep(event.value.service, event.value.document);
      else enqueue(translate(event.value));
    }
  });
  process.stdin.on('end', launcherGone);
  process.stdin.on('error', launcherGone);
}

function launcherGone(): never {
  exitWith('the launcher is gone');
}

function translate(event: Exclude<InitEvent, { event: 'document' }>): Event {
  switch (event.event) {
    case 'ready':
      return { kind: 'became-ready', service: event.service, instance: event.instance };
    case 'exited': {
      const { service, instance, code, signal } = event;
      const clean = code === 0 && signal === null;
      return { kind: 'exited', service, instance, clean, how: describeExit(code, signal) };
    }
    case 'stop':
      return { kind: 'stop-requested' };
    case 'restart':
      return { kind: 'restart-requested', service: event.service };
  }
}

function perform(
  effect: SupervisionEffect<ServiceName>,
  documents: ReadonlyMap<ServiceName, string>,
  enqueue: (event: Event) => void,
): void {
  switch (effect.kind) {
    case 'spawn': {
      const { service, instance } = effect;
      order({ order: 'spawn', service, instance, document: documents.get(service) ?? '' });
      return;
    }
    case 'signal':
      order({ order: 'signal', service: effect.service, instance: effect.instance, signal: effect.signal });
      return;
    case 'set-timer':
      setTimeout(enqueue, effect.afterMs, effect.event).unref();
      return;
    case 'note':
      order({ order: 'note', text: effect.text });
      return;
    case 'end':
      order({ order: 'end', status: effect.status, reason: effect.reason });
      process.exit(effect.status);
  }
}

/** Written whole and at once; the launcher reads as fast as we write, so a full pipe is waited for. */
function order(message: InitOrder): void {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  try {
    for (let written = 0; written < bytes.length;) written += fs.writeSync(INIT_FD.orders, bytes, written);
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'EPIPE') launcherGone();
    throw failure;
  }
}

function exitWith(why: string): never {
  try {
    fs.writeSync(2, `${why}\n`);
  } catch (failure) {
    // With the launcher its end of the log is gone too; nobody is left to be told.
    if (!(failure instanceof Error && 'code' in failure && failure.code === 'EPIPE')) throw failure;
  }
  process.exit(1);
}

main();
