import type { MetricFamily } from '../schema/metrics.ts';
import type { Counters, Tally } from './counters.ts';
import { counter, counterBy, gauge } from './metric-kinds.ts';
import type { RequestMetrics } from './request-metrics.ts';

/** What a gateway is at this moment. */
export interface Standing {
  readonly counters: Counters;
  readonly generation: number;
  readonly routes: number;
  readonly startedAtMs: number;
  readonly requestsActive: number;
  readonly upstreamIdle: number;
}

/** All that a gateway tells of itself to who watches many of them; `counters` of the control socket is for programs. */
export function gatewayMetrics(requests: RequestMetrics, tally: Tally, standing: Standing): readonly MetricFamily[] {
  return [...requests.families(), ...connectionFamilies(tally, standing), ...ownFamilies(standing)];
}

function connectionFamilies(tally: Tally, { counters, upstreamIdle }: Standing): readonly MetricFamily[] {
  const { connections, openConnections, connectionsDropped, dnsQueries, dnsRefused } = counters;
  return [
    counter('bot_bottle_connections_total', 'Connections from agents.', connections),
    gauge('bot_bottle_connections_open', 'Connections from agents that are open.', openConnections),
    counter(
      'bot_bottle_connections_dropped_total',
      'Connections that were closed without an answer: not TLS or HTTP, no name, another user, or too many.',
      connectionsDropped,
    ),
    tally.handshakes.family({
      name: 'bot_bottle_tls_handshakes_total',
      help: 'TLS handshakes with agents and with upstreams: full, resumed, or failed.',
    }),
    counter(
      'bot_bottle_leaves_minted_total',
      'Certificates made for names that agents asked for.',
      counters.leavesMinted,
    ),
    counterBy(
      { name: 'bot_bottle_upstream_connections_total', help: 'Requests by whether a connection was there already.' },
      'how',
      { dialled: counters.upstreamDialled, reused: counters.upstreamReused },
    ),
    gauge('bot_bottle_upstream_connections_idle', 'Connections to upstreams that wait for a request.', upstreamIdle),
    counterBy({ name: 'bot_bottle_dns_queries_total', help: 'Questions to the answerer of names.' }, 'answer', {
      answered: dnsQueries - dnsRefused,
      refused: dnsRefused,
    }),
  ];
}

function ownFamilies({ counters, generation, routes, startedAtMs, requestsActive }: Standing): readonly MetricFamily[] {
  const { user, system } = process.cpuUsage();
  return [
    gauge('bot_bottle_requests_active', 'Requests that are being served.', requestsActive),
    counter(
      'bot_bottle_local_requests_total',
      'Requests for _egress.local, which is answered from memory.',
      counters.localRequests,
    ),
    counter('bot_bottle_record_failures_total', 'Records that could not be written.', counters.recordFailures),
    counter(
      'bot_bottle_echo_alerts_total',
      'Routes that echoed credentials more often than chance has it.',
      counters.echoAlerts,
    ),
    gauge('bot_bottle_buffered_bytes', 'Bytes in memory for all connections.', counters.bufferedBytes),
    gauge('bot_bottle_policy_generation', 'Number of the policy that is followed.', generation),
    gauge('bot_bottle_routes', 'Routes of that policy.', routes),
    gauge('process_start_time_seconds', 'When the gateway was started, since the epoch.', startedAtMs / 1000),
    counter('process_cpu_seconds_total', 'Processor time of the gateway.', (user + system) / 1e6),
    gauge('process_resident_memory_bytes', 'Memory of the gateway.', process.memoryUsage.rss()),
  ];
}
