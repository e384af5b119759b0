import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/kernel/limits.ts';
import {
  NO_CPUS,
  NO_DISK,
  reachedText,
  resourceComplaints,
  sizeText,
  unenforced,
  WATCHED_DISK,
  WATCHED_MEMORY,
} from '../../src/policy/resources.ts';
import type { LimitSupport } from '../../src/schema/limits.ts';
import type { Resources } from '../../src/schema/plan.ts';

const FULL: LimitSupport = { memory: 'cgroup2', pids: 'cgroup2', cpus: 'cgroup2', disk: 'watchdog' };
const POOR: LimitSupport = { memory: 'watchdog', pids: 'rlimit', cpus: 'none', disk: 'none' };
const ALL = { memoryBytes: 256 * MiB, pids: 64, cpus: 2, diskBytes: 1024 * MiB };

describe('what a machine does not hold', () => {
  it.each<{ why: string; resources: Omit<Resources, 'strict'>; support: LimitSupport; weak: readonly unknown[] }>([
    { why: 'nothing asked, nothing missing', resources: {}, support: POOR, weak: [] },
    {
      why: 'control groups hold all but the disk',
      resources: ALL,
      support: FULL,
      weak: [{ resource: 'disk', level: 'watched', why: WATCHED_DISK }],
    },
    {
      why: 'version 1 holds as version 2 does',
      resources: { memoryBytes: MiB, pids: 5, cpus: 1 },
      support: { memory: 'cgroup1', pids: 'cgroup1', cpus: 'cgroup1', disk: 'none' },
      weak: [],
    },
    {
      why: 'without groups memory is watched, processors are free, the number of processes is held',
      resources: ALL,
      support: POOR,
      weak: [
        { resource: 'memory', level: 'watched', why: WATCHED_MEMORY },
        { resource: 'cpus', level: 'absent', why: NO_CPUS },
        { resource: 'disk', level: 'absent', why: NO_DISK },
      ],
    },
    {
      why: 'only what is asked for is told',
      resources: { cpus: 1 },
      support: POOR,
      weak: [{ resource: 'cpus', level: 'absent', why: NO_CPUS }],
    },
  ])('$why', ({ resources, support, weak }) => {
    expect(unenforced({ ...resources, strict: false }, support)).toEqual(weak);
  });

  it.each<{ why: string; resources: Resources; support: LimitSupport; refused: readonly string[] }>([
    { why: 'said, not refused', resources: { ...ALL, strict: false }, support: POOR, refused: ['disk'] },
    { why: 'strict, and held', resources: { pids: 64, strict: true }, support: POOR, refused: [] },
    {
      why: 'strict: watched is not held',
      resources: { ...ALL, strict: true },
      support: POOR,
      refused: ['memory', 'cpus', 'disk'],
    },
    { why: 'strict: no group holds a disk', resources: { ...ALL, strict: true }, support: FULL, refused: ['disk'] },
    {
      why: 'too little is refused anywhere',
      resources: { memoryBytes: 63 * MiB, pids: 3, cpus: 0.001, diskBytes: MiB, strict: false },
      support: FULL,
      refused: ['memory', 'pids', 'cpus', 'disk'],
    },
    {
      why: 'the least is enough',
      resources: { memoryBytes: 64 * MiB, pids: 4, cpus: 0.01, diskBytes: 16 * MiB, strict: false },
      support: FULL,
      refused: [],
    },
  ])('$why', ({ resources, support, refused }) => {
    expect(resourceComplaints(resources, support).map(({ resource }) => resource)).toEqual(refused);
  });

  it('a complaint says what, why and what helps', () => {
    expect(resourceComplaints({ cpus: 2, strict: true }, POOR)).toEqual([
      {
        resource: 'cpus',
        message: `cpus is ${NO_CPUS}`,
        hint: expect.stringContaining('systemd-run --user --scope -p Delegate=yes bot-bottle'),
      },
    ]);
  });
});

describe('a limit that was reached, in words', () => {
  it.each([
    { reached: { resource: 'memory', limit: 256 * MiB }, text: 'memory limit 256 MiB reached' },
    { reached: { resource: 'disk', limit: 2048 * MiB }, text: 'disk limit 2 GiB reached' },
    { reached: { resource: 'pids', limit: 64 }, text: 'process limit 64 reached' },
  ] as const)('$text', ({ reached, text }) => {
    expect(reachedText(reached)).toBe(text);
  });

  it.each([
    [1536, '1536 MiB'],
    [1024, '1 GiB'],
    [1, '1 MiB'],
  ])('%s MiB is %s', (count, text) => {
    expect(sizeText(count * MiB)).toBe(text);
  });
});
