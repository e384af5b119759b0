import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../../kernel/errors.ts';
import { matchesHost, normaliseHost, parseHostSpec } from '../../policy/host.ts';
import { printable } from '../../kernel/render-error.ts';
import { DecisionRecordSchema, type DecisionRecord } from '../../schema/decision.ts';
import { decodeJson } from '../../schema/json.ts';
import { findBottle, listBottles } from '../../state/bottles.ts';
import { bottlePaths, type BottlePaths } from '../../state/paths.ts';
import { tryLock } from '../../state/lock.ts';
import type { CliContext } from '../context.ts';
import { LogsOptionsSchema, type LogsOptions } from '../options.ts';

/** Decisions and service output of a bottle by time; with `--follow` until the bottle ends. */
export async function logs(context: CliContext, id: string, raw: Record<string, unknown>): Promise<number> {
  const options = LogsOptionsSchema.parse(raw);
  const { slug } = findBottle(listBottles(context.paths), id);
  const paths = bottlePaths(context.paths, slug);
  const since = options.since === undefined ? 0 : Date.now() - parseAge(options.since);
  const wanted = filterOf(options, since);
  const tails = [
    ...(options.services ? [] : [new Tail(paths.record, decisionEntry)]),
    ...(options.decisions ? [] : [new Tail(paths.log, serviceEntry)]),
  ];
  const show = (): void => {
    const entries = tails.flatMap((tail) => tail.read()).filter(wanted);
    entries.sort((left, right) => left.at - right.at);
    for (const entry of entries) context.terminal.result(options.json ? entry.json : entry.text);
  };
  show();
  while (options.follow && !context.stopRequested.aborted && isLive(paths)) {
    await sleep(FOLLOW_MS);
    show();
  }
  if (options.follow) show();
  return 0;
}

const FOLLOW_MS = 200;

function isLive({ lock, root }: BottlePaths): boolean {
  if (!fs.existsSync(root) || !fs.existsSync(lock)) return false;
  const taken = tryLock(lock);
  taken?.[Symbol.dispose]();
  return taken === null;
}

interface Entry {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly text: string;
  readonly json: string;
  /** Null for a line of a service. */
  readonly decision: DecisionRecord | null;
}

/** Whole lines of a file that grows; a line that is still being written waits for its end. */
class Tail {
  readonly #file: string;
  readonly #parse: (line: string) => Entry | null;
  #offset = 0;
  #held = '';
  readonly #decoder = new TextDecoder();

  constructor(file: string, parse: (line: string) => Entry | null) {
    this.#file = file;
    this.#parse = parse;
  }

  read(): readonly Entry[] {
    if (!fs.existsSync(this.#file)) return [];
    const descriptor = fs.openSync(this.#file, 'r');
    try {
      const length = fs.fstatSync(descriptor).size - this.#offset;
      const bytes = Buffer.alloc(Math.max(length, 0));
      this.#offset += fs.readSync(descriptor, bytes, 0, bytes.length, this.#offset);
      const lines = `${this.#held}${this.#decoder.decode(bytes, { stream: true })}`.split('\n');
      this.#held = lines.pop() ?? '';
      return lines.flatMap((line) => this.#parse(line) ?? []);
    } finally {
      fs.closeSync(descriptor);
    }
  }
}

/** A request is one entry, when it has ended; lines of other kinds belong to other readers. */
function decisionEntry(line: string): Entry | null {
  const record = decodeJson(DecisionRecordSchema, line);
  return record.ok
    ? { at: Date.parse(record.value.time), text: decisionLine(record.value), json: line, decision: record.value }
    : null;
}

function decisionLine(record: DecisionRecord): string {
  const { time, decision, method, host, port, path, status, reason, route } = record;
  const place = port === 443 || port === 0 ? host : `${host}:${String(port)}`;
  const why = decision === 'allow' && reason === 'allowed' ? '' : `  ${reason}`;
  const took = `${String(Math.round(record.timings.endedMs))} ms`;
  const from = route === null ? '' : `  ${route}`;
  return printable(
    `${clock(time)}  ${decision.padEnd(5)} ${String(status).padStart(3)}  ${method} ${place}${path}${why}${from}  ${took}`,
  );
}

function clock(time: string): string {
  return time.slice(11, 23);
}

/** `2026-11-20T22:35:48.123Z egress: words` as the launcher writes it. */
const SERVICE_LINE = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) ([a-z]+): (.*)$/;

function serviceEntry(line: string): Entry | null {
  const [, time, service = '', text = ''] = SERVICE_LINE.exec(line) ?? [];
  if (time === undefined) return null;
  return {
    at: Date.parse(time),
    text: printable(`${clock(time)}  ${service}: ${text}`),
    json: JSON.stringify({ time, service, text }),
    decision: null,
  };
}

function filterOf({ decision, host }: LogsOptions, since: number): (entry: Entry) => boolean {
  const pattern = host === undefined ? null : parseHostSpec(host.replace(/^\./, '*.'));
  if (pattern?.ok === false) throw new BottleError('usage', { message: `--host "${host ?? ''}": ${pattern.error}` });
  return (entry) => {
    if (entry.at < since) return false;
    if (decision !== undefined && entry.decision?.decision !== decision) return false;
    if (pattern === null) return true;
    const asked = entry.decision === null ? null : normaliseHost(entry.decision.host);
    return asked?.ok === true && matchesHost(pattern.value, asked.value);
  };
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseAge(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (count !== undefined && factor !== undefined) return Number(count) * factor;
  throw new BottleError('usage', { message: `--since "${text}" is no age`, hint: '--since 10m' });
}
