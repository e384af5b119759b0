import type { Result, Target, Task } from './load.ts';

/** What is measured: the task, the figure that is taken from its result, and the bar it is held to. */
export interface Measure {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly task: (target: Target) => Task;
  readonly protocol: 'h1' | 'h2';
  readonly figure: (result: Result, usage: Usage) => number;
  /** Without these the measure says nothing, or the contender can't do it. */
  readonly without?: readonly ContenderId[];
  readonly bar?: Bar;
}

export const CONTENDERS = ['direct', 'tunnel', 'plain', 'scanned', 'mitm', 'mitm-scan'] as const;
export type ContenderId = (typeof CONTENDERS)[number];

/** What the proxy's processes used: CPU seconds during the task; at its end their memory, of the largest and of all. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly largestMiB: number;
  readonly memoryMiB: number;
}

/** `ours` against `peer` in the same run, as a ratio; what it must reach and what it aims for. */
export interface Bar {
  readonly ours: ContenderId;
  readonly peer: ContenderId;
  /** Measure that the peer's figure is taken from, where it can't do this one. */
  readonly peerMeasure?: string;
  readonly must: number;
  readonly aim: number;
}

const MiB = 1024 * 1024;
const perSecond = ({ count, seconds }: Result): number => count / seconds;
const megabytes = ({ count, seconds }: Result): number => count / MiB / seconds;
const p50 = (result: Result): number => result.p50 ?? Number.NaN;
const cpuMicros = (result: Result, usage: Usage): number => (usage.cpuSeconds * 1e6) / result.count;

export interface Scale {
  readonly durationMs: number;
  readonly bulkBytes: number;
  readonly counts: number;
}
export const FULL: Scale = { durationMs: 3_000, bulkBytes: 256 * MiB, counts: 1 };
export const QUICK: Scale = { durationMs: 400, bulkBytes: 8 * MiB, counts: 0.1 };

export function measures({ durationMs, bulkBytes, counts }: Scale): readonly Measure[] {
  const times = (count: number): number => Math.max(20, Math.round(count * counts));
  const get = (connections: number): Pick<Measure, 'task' | 'protocol'> => ({
    task: (target) => ({ ...target, kind: 'get', connections, durationMs }),
    protocol: 'h1',
  });
  const memory = (task: Measure['task']): Omit<Measure, 'id' | 'title' | 'figure'> => ({
    unit: 'MiB',
    better: 'less',
    task,
    protocol: 'h1',
    without: ['direct', 'tunnel'],
  });
  return [
    {
      id: 'memory-idle',
      title: 'largest process after one request (RSS)',
      ...memory((target) => ({ ...target, kind: 'first' })),
      figure: (_result, usage) => usage.largestMiB,
      bar: { ours: 'scanned', peer: 'mitm', must: 1.3, aim: 1 },
    },
    {
      id: 'memory-idle-all',
      title: 'all processes after one request (PSS)',
      ...memory((target) => ({ ...target, kind: 'first' })),
      figure: (_result, usage) => usage.memoryMiB,
    },
    {
      id: 'get-32',
      title: 'GET, 32 connections',
      unit: 'requests/s',
      better: 'more',
      ...get(32),
      figure: perSecond,
      bar: { ours: 'scanned', peer: 'mitm', must: 8, aim: 15 },
    },
    {
      id: 'get-32-p99',
      title: 'GET, 32 connections, 99th percentile',
      unit: 'ms',
      better: 'less',
      ...get(32),
      figure: (result) => result.p99 ?? Number.NaN,
    },
    {
      id: 'cpu',
      title: 'proxy CPU per GET',
      unit: 'µs',
      better: 'less',
      ...get(32),
      figure: cpuMicros,
      without: ['direct'],
      bar: { ours: 'scanned', peer: 'mitm', must: 0.12, aim: 0.06 },
    },
    {
      id: 'get-1',
      title: 'GET, one connection, median',
      unit: 'ms',
      better: 'less',
      ...get(1),
      figure: p50,
      bar: { ours: 'scanned', peer: 'mitm', must: 0.4, aim: 0.25 },
    },
    {
      id: 'handshake',
      title: 'new CONNECT + TLS + GET, 8 at once',
      unit: 'per second',
      better: 'more',
      task: (target) => ({ ...target, kind: 'handshake', connections: 8, durationMs }),
      protocol: 'h1',
      figure: perSecond,
      bar: { ours: 'scanned', peer: 'mitm', must: 3, aim: 4 },
    },
    {
      id: 'download',
      title: `download, ${String(bulkBytes / MiB)} MiB`,
      unit: 'MiB/s',
      better: 'more',
      task: (target) => ({ ...target, kind: 'download', bytes: bulkBytes }),
      protocol: 'h1',
      figure: megabytes,
      without: ['mitm-scan'],
      bar: { ours: 'scanned', peer: 'mitm', must: 1, aim: 1.2 },
    },
    {
      id: 'upload',
      title: 'upload, scan off',
      unit: 'MiB/s',
      better: 'more',
      task: (target) => ({ ...target, kind: 'upload', bytes: bulkBytes / 4 }),
      protocol: 'h1',
      figure: megabytes,
      without: ['mitm-scan'],
      bar: { ours: 'plain', peer: 'mitm', must: 0.9, aim: 1 },
    },
    {
      id: 'upload-scanned',
      title: 'upload, scanned',
      unit: 'MiB/s',
      better: 'more',
      task: (target) => ({ ...target, kind: 'upload', bytes: bulkBytes / 32 }),
      protocol: 'h1',
      figure: megabytes,
      without: ['direct', 'tunnel', 'plain', 'mitm'],
      bar: { ours: 'scanned', peer: 'mitm-scan', must: 50, aim: 100 },
    },
    {
      id: 'post-100k',
      title: 'POST of 100 KB, median',
      unit: 'ms',
      better: 'less',
      task: (target) => ({ ...target, kind: 'post', bytes: 100_000, count: times(300) }),
      protocol: 'h1',
      figure: p50,
      without: ['mitm-scan'],
      // 1.2 and 1.8 times as fast.
      bar: { ours: 'scanned', peer: 'mitm', must: 0.83, aim: 0.56 },
    },
    {
      id: 'events',
      title: 'server-sent events at 1 kHz, median delay',
      unit: 'ms',
      better: 'less',
      task: (target) => ({ ...target, kind: 'events', count: times(1_500) }),
      protocol: 'h1',
      figure: p50,
      // Its addon looks at whole bodies, so events come all at the end.
      without: ['mitm-scan'],
      bar: { ours: 'scanned', peer: 'mitm', must: 0.8, aim: 0.65 },
    },
    {
      id: 'websocket',
      title: 'WebSocket round trip, median',
      unit: 'ms',
      better: 'less',
      task: (target) => ({ ...target, kind: 'websocket', count: times(1_500) }),
      protocol: 'h1',
      figure: p50,
      bar: { ours: 'scanned', peer: 'mitm', must: 0.45, aim: 0.3 },
    },
    {
      id: 'h2',
      title: 'HTTP/2 GET, 32 streams',
      unit: 'requests/s',
      better: 'more',
      task: (target) => ({ ...target, kind: 'h2', streams: 32, durationMs }),
      protocol: 'h2',
      figure: perSecond,
      bar: { ours: 'scanned', peer: 'mitm', peerMeasure: 'get-32', must: 3, aim: 6 },
    },
    {
      id: 'memory',
      title: 'largest process after all of it (RSS)',
      ...memory(get(1).task),
      figure: (_result, usage) => usage.largestMiB,
      bar: { ours: 'scanned', peer: 'mitm', must: 2, aim: 1.5 },
    },
    {
      id: 'memory-all',
      title: 'all processes after all of it (PSS)',
      ...memory(get(1).task),
      figure: (_result, usage) => usage.memoryMiB,
    },
  ];
}
