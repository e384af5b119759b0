import fs from 'node:fs';
import { LIMITS } from '../kernel/limits.ts';
import { LineReader } from '../platform/line-reader.ts';
import { initialState, step, type SupervisionEffect, type SupervisionEvent } from '../protocol/supervision.ts';
import {
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

function main(): void {
  const documents = readDocuments();
  const queue: Event[] = [{ kind: 'started' }];
  let state = initialState([...documents.keys()]);
  let draining = false;

  const enqueue = (event: Event): void => {
    queue.push(event);
    if (draining) return;
    draining = true;
    setImmediate(drain);
  };

  const drain = (): void => {
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
      const next = step(state, event, performance.now());
      state = next.state;
      for (const effect of next.effects) perform(effect, documents, enqueue);
    }
    draining = false;
  };

  process.on('SIGTERM', () => {
    enqueue({ kind: 'stop-requested' });
  });
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGUSR2'] as const) {
    process.on(signal, () => {
      // Meant for somebody else in the terminal's group; the launcher says what init is to do.
    });
  }
  listen(enqueue);
  drain();
}

function readDocuments(): ReadonlyMap<ServiceName, string> {
  const text = fs.readFileSync(INIT_FD.secrets, 'utf8');
  fs.closeSync(INIT_FD.secrets);
  const parsed = decodeJson(InitDocumentSchema, text);
  if (!parsed.ok) exitWith(1, `the init document is not valid: ${parsed.error}`);
  return new Map(parsed.value.services.map(({ name, document }) => [name, document]));
}

/** Events from the launcher; when its pipe ends the launcher is gone, and so is everything it owned. */
function listen(enqueue: (event: Event) => void): void {
  const lines = new LineReader(LIMITS.controlLineBytes);
  process.stdin.on('data', (chunk: Buffer) => {
    const complete = lines.push(chunk);
    if (complete === null) exitWith(1, 'a line of the launcher is too long');
    for (const line of complete) {
      const event = decodeJson(InitEventSchema, line);
      if (!event.ok) exitWith(1, `the launcher said what init does not know: ${event.error}`);
      enqueue(translate(event.value));
    }
  });
  process.stdin.on('end', () => {
    exitWith(1, 'the launcher is gone');
  });
}

function translate(event: InitEvent): Event {
  switch (event.event) {
    case 'ready':
      return { kind: 'became-ready', service: event.service, instance: event.instance };
    case 'exited':
      return { kind: 'exited', service: event.service, instance: event.instance, how: describeExit(event) };
    case 'stop':
      return { kind: 'stop-requested' };
    case 'restart':
      return { kind: 'restart-requested', service: event.service };
  }
}

function describeExit({ code, signal }: { readonly code: number | null; readonly signal: string | null }): string {
  return signal === null ? `exit ${String(code ?? '?')}` : `killed by ${signal}`;
}

function perform(
  effect: SupervisionEffect<ServiceName>,
  documents: ReadonlyMap<ServiceName, string>,
  enqueue: (event: Event) => void,
): void {
  switch (effect.kind) {
    case 'spawn':
      order({
        order: 'spawn',
        service: effect.service,
        instance: effect.instance,
        document: documents.get(effect.service) ?? '',
      });
      return;
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
  for (let written = 0; written < bytes.length;) written += fs.writeSync(INIT_FD.orders, bytes, written);
}

function exitWith(status: number, why: string): never {
  fs.writeSync(2, `${why}\n`);
  process.exit(status);
}

main();
