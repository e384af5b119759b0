import { screenText, type Screen } from '../dlp/screen.ts';
import { redactText } from '../dlp/redact.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { AuditSink } from '../ports/audit-sink.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { DecidedLine, DecisionRecord, Entry, Reason } from '../schema/decision.ts';
import { isCredentialHeader } from '../policy/credentials.ts';
import type { RequestFacts } from '../policy/decide.ts';
import type { GatewayConfig } from '../schema/gateway-config.ts';
import type { Header } from '../schema/header.ts';
import type { Tally } from './counters.ts';
import { isGrpc } from './headers.ts';
import type { AgentProtocol, RequestMetrics } from './request-metrics.ts';

export interface RecorderParts {
  readonly slug: string;
  readonly sink: AuditSink;
  readonly clock: Clock;
  readonly random: Random;
  /** What a record must not hold. */
  readonly screen: Screen;
  /** Keyed fingerprints by the name of the value (SECURITY S25). */
  readonly fingerprints: ReadonlyMap<string, string>;
  readonly tally: Tally;
  readonly metrics: RequestMetrics;
}

/** The request as the agent sent it; host and path are cut and redacted here and nowhere else (SECURITY S35). */
export interface RequestFields {
  readonly generation: number;
  readonly protocol: AgentProtocol;
  readonly entry: Entry;
  readonly method: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** `egress.log`: 0 tells nobody while it happens, 2 writes header fields too. The record is written at every level. */
  readonly log: GatewayConfig['log'];
  readonly headers?: readonly Header[];
}

export interface Decision {
  readonly decision: 'allow' | 'deny';
  readonly reason: Reason;
  readonly route: string | null;
}

/** What the record says of a finding: its rule and place, never the value. */
export interface RecordedFinding {
  readonly rule: string;
  readonly place: string;
  readonly name: string;
  /** Of what was found by its format; a value's own is known by its name. */
  readonly fingerprint?: string;
}

export type Ending = DecisionRecord['ended'];

/** Numbers requests and writes both of their lines: `decided` before the effect, `ended` when it is over. */
export class Recorder {
  readonly parts: RecorderParts;
  readonly #listeners = new Set<(record: DecisionRecord) => void>();
  readonly #prefix: string;
  #count = 0;

  constructor(parts: RecorderParts) {
    this.parts = parts;
    this.#prefix = parts.random.base36(6);
  }

  begin(fields: RequestFields): RequestAccount {
    this.#count += 1;
    this.parts.tally.requests += 1;
    return new RequestAccount(this.parts, `${this.#prefix}-${this.#count.toString(36)}`, fields, (record) => {
      if (fields.log > 0) for (const listener of this.#listeners) listener(record);
    });
  }

  /** Calls the listener with each record that has ended, until the returned function is called. */
  subscribe(listener: (record: DecisionRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

/** The two lines of one request. */
export class RequestAccount {
  /** Status the agent was given; 0 until an answer was begun. */
  status = 0;
  sentBytes = 0;
  receivedBytes = 0;
  readonly #parts: RecorderParts;
  #protocol: AgentProtocol;
  readonly #startedAt: number;
  readonly #time: string;
  readonly #id: string;
  readonly #fields: RequestFields;
  #clean = false;
  #line: Omit<DecidedLine, 'decision' | 'reason' | 'route'> | null = null;
  readonly #publish: (record: DecisionRecord) => void;
  #decision: Decision | null = null;
  #generation: number;
  #decidedMs: number | null = null;
  #connectedMs: number | null = null;
  #firstByteMs: number | null = null;
  #findings: readonly RecordedFinding[] = [];
  #ended = false;
  #answer: readonly Header[] | null = null;

  constructor(parts: RecorderParts, id: string, fields: RequestFields, publish: (record: DecisionRecord) => void) {
    this.#parts = parts;
    this.#startedAt = parts.clock.monotonic();
    this.#publish = publish;
    this.#id = id;
    this.#fields = fields;
    this.#protocol = fields.protocol;
    this.#generation = fields.generation;
    this.#time = parts.clock.timestamp();
  }

  /** What is spoken on top of HTTP, now that the whole head is known. */
  refine(facts: RequestFacts, upgrades: boolean): void {
    if (upgrades) this.#protocol = 'websocket';
    else if (facts.multiplexed === true && isGrpc(facts.headers)) this.#protocol = 'grpc';
  }

  /** The whole head was scanned and holds no known value: the record need not look again. */
  vouch(): void {
    this.#clean = true;
  }

  #common(): Omit<DecidedLine, 'decision' | 'reason' | 'route'> {
    return (this.#line ??= this.#describe());
  }

  #describe(): Omit<DecidedLine, 'decision' | 'reason' | 'route'> {
    const { slug, screen } = this.#parts;
    const { generation, entry, method, host, port, path } = this.#fields;
    // One look at all fields settles it for nearly every request.
    const clean = this.#clean || screenText(screen, `${method}\n${host}\n${path}`, 'record').length === 0;
    const redact = (text: string): string => (clean ? text : redactText(screen, text));
    return {
      event: 'decided',
      time: this.#time,
      slug,
      generation,
      id: this.#id,
      entry,
      method: cut(redact(method), 32),
      host: cut(redact(host), LIMITS.recordHostBytes),
      port,
      path: cut(redact(path), LIMITS.recordPathBytes),
    };
  }

  /** Appends the decision; false means that it could not be written, and nothing of it may take effect. */
  decide(decision: Decision): boolean {
    this.#decision = decision;
    this.#decidedMs ??= this.#elapsed();
    const line: DecidedLine = { ...this.#common(), ...decision, generation: this.#generation };
    const appended = this.#parts.sink.append(JSON.stringify(line));
    if (!appended.ok) this.#parts.tally.recordFailures += 1;
    return appended.ok;
  }

  /** Why a request goes nowhere that came to its end before anything was decided. */
  decideLast(reason: Reason, route: string | null): void {
    if (this.#decision === null) this.decide({ decision: 'deny', reason, route });
  }

  connected(): void {
    this.#connectedMs ??= this.#elapsed();
  }

  firstByte(): void {
    this.#firstByteMs ??= this.#elapsed();
  }

  /** The answer's fields as the agent gets them; asked for only where they are written down. */
  answered(headers: () => readonly Header[]): void {
    if (this.#fields.log === 2) this.#answer = headers();
  }

  found(findings: readonly RecordedFinding[]): void {
    this.#findings = [...this.#findings, ...findings];
  }

  /** A later policy has had the last word: what is written from now on names its generation. */
  judgedBy(generation: number): void {
    this.#generation = generation;
  }

  /** The decision as it stands at the end: a dial or a late finding can turn an allow into a refusal. */
  revise(decision: Decision): void {
    this.#decision = decision;
  }

  /** The last word on this request; later calls change nothing. */
  end(ended: Ending): void {
    if (this.#ended || this.#decision === null) return;
    this.#ended = true;
    const { tally, metrics, sink, fingerprints } = this.#parts;
    const endedMs = this.#elapsed();
    const record: DecisionRecord = {
      ...this.#common(),
      ...this.#decision,
      generation: this.#generation,
      event: 'ended',
      status: this.status,
      timings: {
        decidedMs: this.#decidedMs ?? endedMs,
        connectedMs: this.#connectedMs,
        firstByteMs: this.#firstByteMs,
        endedMs,
      },
      bytes: { sent: this.sentBytes, received: this.receivedBytes },
      ended,
      findings: this.#findings.map(({ rule, place, name, fingerprint }) => ({
        rule,
        place,
        name,
        fingerprint: fingerprint ?? fingerprints.get(name) ?? '',
      })),
      ...this.#full(),
    };
    if (this.#decision.decision === 'allow') tally.allowed += 1;
    else tally.countDenied(this.#decision.reason);
    tally.bytesSent += this.sentBytes;
    tally.bytesReceived += this.receivedBytes;
    if (!sink.append(JSON.stringify(record)).ok) tally.recordFailures += 1;
    metrics.ended(record, this.#protocol);
    this.#publish(record);
  }

  #full(): Pick<DecisionRecord, 'full'> {
    const { log, headers = [] } = this.#fields;
    if (log !== 2) return {};
    const shown = (fields: readonly Header[]): [string, string][] =>
      fields.map(([name, value]) => [
        redactText(this.#parts.screen, name),
        isSecretField(name) ? `[${String(value.length)} characters]` : this.#shown(value),
      ]);
    return { full: { request: shown(headers), response: this.#answer === null ? null : shown(this.#answer) } };
  }

  #shown(value: string): string {
    return cut(redactText(this.#parts.screen, value), LIMITS.recordFieldBytes);
  }

  #elapsed(): number {
    return Math.round((this.#parts.clock.monotonic() - this.#startedAt) * 1000) / 1000;
  }
}

/** Whose value is a credential, whatever its format. */
function isSecretField(name: string): boolean {
  return isCredentialHeader(name) || /^set-cookie2?$/i.test(name);
}

/** At most so many UTF-8 bytes, never half a character. */
function cut(text: string, bytes: number): string {
  if (text.length * 3 <= bytes) return text;
  const encoded = Buffer.from(text, 'utf8');
  if (encoded.length <= bytes) return text;
  let end = bytes;
  // Continuation bytes are 10xxxxxx: step back to the start of the character that would be cut.
  while (end > 0 && ((encoded[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return encoded.toString('utf8', 0, end);
}
