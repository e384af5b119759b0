import type { DecisionRecord, Reason } from '../schema/decision.ts';
import type { MetricFamily } from '../schema/metrics.ts';
import { Histogram, LabelledCounter, counterBy } from './metric-kinds.ts';

/** What the agent spoke; `tls` is a connection that was passed on without being opened. */
export type AgentProtocol = 'http1' | 'http2' | 'grpc' | 'websocket' | 'tls';

/** Where a request's time went; each begins where the one before it ended. */
const PHASES = ['decide', 'connect', 'wait', 'transfer'] as const;
type Phase = (typeof PHASES)[number];

const UPSTREAM_FAULTS: ReadonlySet<Reason> = new Set([
  'address_refused',
  'resolve_failed',
  'upstream_unreachable',
  'upstream_tls',
  'upstream_invalid',
  'upstream_timeout',
]);

/**
 * What the records say, in numbers: each record is counted once, when it has been written. No host and no path is a
 * label: what an agent can make up would have no end, and may hold a secret.
 */
export class RequestMetrics {
  readonly #requests = new LabelledCounter(['decision', 'reason', 'protocol']);
  readonly #entries = new LabelledCounter(['entry']);
  readonly #endings = new LabelledCounter(['ended']);
  readonly #statuses = new LabelledCounter(['class']);
  readonly #findings = new LabelledCounter(['rule']);
  readonly #upstreamErrors = new LabelledCounter(['reason']);
  readonly #phases = new Map<Phase, Histogram>(PHASES.map((phase) => [phase, new Histogram()]));
  readonly #whole = new Histogram();
  #sentBytes = 0;
  #receivedBytes = 0;

  ended(record: DecisionRecord, protocol: AgentProtocol): void {
    const { decision, reason, entry, ended, status, bytes, findings } = record;
    this.#requests.add([decision, reason, protocol]);
    this.#entries.add([entry]);
    this.#endings.add([ended]);
    this.#statuses.add([status === 0 ? 'none' : `${String(status).slice(0, 1)}xx`]);
    for (const { rule } of findings) this.#findings.add([rule]);
    if (UPSTREAM_FAULTS.has(reason)) this.#upstreamErrors.add([reason]);
    else if (ended === 'upstream_cut') this.#upstreamErrors.add(['upstream_cut']);
    this.#sentBytes += bytes.sent;
    this.#receivedBytes += bytes.received;
    this.#time(record.timings);
  }

  families(): readonly MetricFamily[] {
    return [
      this.#requests.family({
        name: 'bot_bottle_requests_total',
        help: 'Requests that ended, by verdict, its reason, and what the agent spoke.',
      }),
      this.#entries.family({ name: 'bot_bottle_requests_by_entry_total', help: 'Requests that ended, by way in.' }),
      this.#endings.family({ name: 'bot_bottle_requests_by_ending_total', help: 'Requests, by how they ended.' }),
      this.#statuses.family({
        name: 'bot_bottle_responses_total',
        help: 'Answers to the agent, by class of their status; none is a connection that ended without one.',
      }),
      counterBy(
        { name: 'bot_bottle_body_bytes_total', help: 'Bytes of requests that left, and of answers that came.' },
        'direction',
        { sent: this.#sentBytes, received: this.#receivedBytes },
      ),
      this.#findings.family({ name: 'bot_bottle_findings_total', help: 'Findings in requests and answers, by rule.' }),
      this.#upstreamErrors.family({
        name: 'bot_bottle_upstream_errors_total',
        help: 'Requests that an upstream, or the way to it, failed.',
      }),
      {
        name: 'bot_bottle_request_phase_seconds',
        help: 'Where the time of requests went: decide (with its scan), connect, wait for the first byte, transfer.',
        type: 'histogram',
        samples: [...this.#phases].flatMap(([phase, histogram]) => histogram.samples({ phase })),
      },
      {
        name: 'bot_bottle_request_seconds',
        help: 'From the head of a request to the end of its answer.',
        type: 'histogram',
        samples: this.#whole.samples({}),
      },
    ];
  }

  /** A phase that a request did not come to is not counted; the last one that it came to ends with the request. */
  #time({ decidedMs, connectedMs, firstByteMs, endedMs }: DecisionRecord['timings']): void {
    this.#whole.observeMs(endedMs);
    this.#observe('decide', 0, decidedMs);
    if (connectedMs === null) return;
    this.#observe('connect', decidedMs, connectedMs);
    this.#observe('wait', connectedMs, firstByteMs ?? endedMs);
    if (firstByteMs !== null) this.#observe('transfer', firstByteMs, endedMs);
  }

  #observe(phase: Phase, fromMs: number, toMs: number): void {
    this.#phases.get(phase)?.observeMs(Math.max(toMs - fromMs, 0));
  }
}
