import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  countIn,
  findCgroupBases,
  planCgroups,
  reachedIn,
  supportFrom,
  type CgroupBase,
  type CgroupBases,
} from '../../src/backends/bubblewrap/cgroups.ts';
import { mappedFileBytes, proportionalBytes } from '../../src/backends/bubblewrap/memory.ts';
import { KiB, MiB } from '../../src/kernel/limits.ts';

/**
 * Machines as their `/proc/self/cgroup` and the places where groups of ours got a controller told them; most kernels
 * have one version alone, so the other is tested on what was written down.
 */
const ALL = ['memory', 'pids', 'cpu'];
const MACHINES = [
  {
    why: 'version 2: a user session of systemd hands the controllers to the user, who groups beside the own scope',
    self: '0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r0a1.scope\n',
    gives: { '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice': ALL },
    support: { memory: 'cgroup2', pids: 'cgroup2', cpus: 'cgroup2', disk: 'none' },
  },
  {
    why: 'version 2: older systemd hands no cpu controller to users',
    self: '0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r0a1.scope\n',
    gives: { '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice': ['memory', 'pids'] },
    support: { memory: 'cgroup2', pids: 'cgroup2', cpus: 'none', disk: 'none' },
  },
  {
    why: 'version 2: a login over ssh is in a scope of the system, beside which only root may group',
    self: '0::/user.slice/user-1000.slice/session-2.scope\n',
    gives: {},
    support: { memory: 'watchdog', pids: 'rlimit', cpus: 'none', disk: 'none' },
  },
  {
    why: 'version 2: root, at the top',
    self: '0::/user.slice/user-0.slice/session-2.scope\n',
    gives: { '/sys/fs/cgroup': ALL },
    support: { memory: 'cgroup2', pids: 'cgroup2', cpus: 'cgroup2', disk: 'none' },
  },
  {
    why: 'version 2: a container, whose own group is the top and has processes',
    self: '0::/\n',
    gives: {},
    support: { memory: 'watchdog', pids: 'rlimit', cpus: 'none', disk: 'none' },
  },
  {
    why: 'version 1: root',
    self: '8:pids:/user.slice\n4:memory:/user.slice\n2:cpu,cpuacct:/\n1:name=systemd:/init.scope\n',
    gives: {
      '/sys/fs/cgroup/memory/user.slice': ['memory'],
      '/sys/fs/cgroup/pids/user.slice': ['pids'],
      '/sys/fs/cgroup/cpu,cpuacct': ['cpu'],
    },
    support: { memory: 'cgroup1', pids: 'cgroup1', cpus: 'cgroup1', disk: 'none' },
  },
  {
    why: 'both: the controllers are where version 1 has them, and version 2 is there without',
    self: '8:pids:/\n4:memory:/a/b\n1:cpu:/\n0::/\n',
    gives: { '/sys/fs/cgroup/memory': ['memory'], '/sys/fs/cgroup/pids': ['pids'], '/sys/fs/cgroup/cpu': ['cpu'] },
    support: { memory: 'cgroup1', pids: 'cgroup1', cpus: 'cgroup1', disk: 'none' },
  },
  {
    why: 'both: cpu and memory moved to version 2, pids stayed',
    self: '8:pids:/\n0::/system.slice/x.service\n',
    gives: { '/sys/fs/cgroup/system.slice': ['memory', 'cpu'], '/sys/fs/cgroup/pids': ['pids'] },
    support: { memory: 'cgroup2', pids: 'cgroup1', cpus: 'cgroup2', disk: 'none' },
  },
  {
    why: 'no control groups in the kernel',
    self: '',
    gives: {},
    support: { memory: 'watchdog', pids: 'rlimit', cpus: 'none', disk: 'none' },
  },
];

describe('control groups', () => {
  it.each(MACHINES)('$why', ({ self, gives, support }) => {
    const found = findCgroupBases(self, ({ directory }, controller) =>
      Object.entries(gives).some(([place, controllers]) => place === directory && controllers.includes(controller)),
    );
    expect(supportFrom(found, false)).toEqual(support);
    expect(supportFrom(found, true)).toEqual({ ...support, disk: 'watchdog' });
  });

  const at = (version: 1 | 2, directory: string): CgroupBase => ({ version, directory });
  const RESOURCES = { memoryBytes: 256 * MiB, pids: 64, cpus: 1.5, strict: false };

  it('are, in version 2, one directory with every limit in it, and no swap beside the memory', () => {
    const base = at(2, '/sys/fs/cgroup/app.slice');
    expect(planCgroups(RESOURCES, { memory: base, pids: base, cpu: base }, 'bottle')).toEqual([
      {
        directory: '/sys/fs/cgroup/app.slice/bottle',
        settings: [
          { file: 'memory.max', value: String(256 * MiB) },
          { file: 'memory.swap.max', value: '0' },
          { file: 'pids.max', value: '64' },
          { file: 'cpu.max', value: '150000 100000' },
        ],
      },
    ]);
  });

  it('are, in version 1, a directory for each controller', () => {
    const bases: CgroupBases = { memory: at(1, '/m'), pids: at(1, '/p'), cpu: at(1, '/c') };
    expect(planCgroups(RESOURCES, bases, 'bottle')).toEqual([
      {
        directory: '/m/bottle',
        settings: [
          { file: 'memory.limit_in_bytes', value: String(256 * MiB) },
          { file: 'memory.memsw.limit_in_bytes', value: String(256 * MiB) },
        ],
      },
      { directory: '/p/bottle', settings: [{ file: 'pids.max', value: '64' }] },
      {
        directory: '/c/bottle',
        settings: [
          { file: 'cpu.cfs_period_us', value: '100000' },
          { file: 'cpu.cfs_quota_us', value: '150000' },
        ],
      },
    ]);
  });

  it('make nothing for what has no limit, or no controller', () => {
    const base = at(2, '/x');
    const bases: CgroupBases = { memory: null, pids: base, cpu: base };
    expect(planCgroups({ memoryBytes: MiB, strict: false }, bases, 'bottle')).toEqual([]);
    expect(planCgroups({ strict: false }, bases, 'bottle')).toEqual([]);
  });
});

describe('limits that were reached', () => {
  const MEMORY_EVENTS = 'low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n';
  const OOM_CONTROL = 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n';
  const memory = { resource: 'memory', limit: 256 * MiB };
  const pids = { resource: 'pids', limit: 64 };

  it.each([
    { why: 'version 2, killed', setting: 'memory.max', file: 'memory.events', text: MEMORY_EVENTS, reached: [memory] },
    {
      why: 'version 2, full but nobody killed',
      setting: 'memory.max',
      file: 'memory.events',
      text: MEMORY_EVENTS.replace('oom_kill 1', 'oom_kill 0'),
      reached: [],
    },
    {
      why: 'version 1, killed',
      setting: 'memory.limit_in_bytes',
      file: 'memory.oom_control',
      text: OOM_CONTROL,
      reached: [memory],
    },
    {
      why: 'version 1, a kernel that does not count',
      setting: 'memory.limit_in_bytes',
      file: 'memory.oom_control',
      text: 'oom_kill_disable 0\nunder_oom 0\n',
      reached: [],
    },
    { why: 'processes, refused', setting: 'pids.max', file: 'pids.events', text: 'max 7\n', reached: [pids] },
    { why: 'processes, never refused', setting: 'pids.max', file: 'pids.events', text: 'max 0\n', reached: [] },
    { why: 'no such file', setting: 'pids.max', file: 'other', text: 'max 7\n', reached: [] },
    {
      why: 'a counter of a limit that was not set',
      setting: 'cpu.max',
      file: 'pids.events',
      text: 'max 7',
      reached: [],
    },
  ])('$why', ({ setting, file, text, reached }) => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'group-'));
    try {
      fs.writeFileSync(path.join(directory, file), text);
      const groups = [{ directory, settings: [{ file: setting, value: '1' }] }];
      expect(reachedIn(groups, { memoryBytes: 256 * MiB, pids: 64, strict: false })).toEqual(reached);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });

  it('a key that begins another one is not that one', () => {
    expect(countIn('max_more 5\nmax 3\n', 'max')).toBe(3);
    expect(countIn('oom_kill_disable 1\n', 'oom_kill')).toBe(0);
  });
});

describe('memory as the kernel tells it', () => {
  const ROLLUP =
    '55d0c0000000-7ffd0000 ---p 00000000 00:00 0    [rollup]\nRss:   9000 kB\nPss:   4200 kB\nPss_Dirty: 10 kB\n';
  const SMAPS = [
    '7f0000000000-7f0000100000 rw-s 00000000 00:01 1041                       /memfd:x (deleted)',
    'Size: 1024 kB',
    'Pss:                1024 kB',
    'Pss_Anon: 0 kB',
    '7f0000200000-7f0000300000 rw-s 00000000 00:1f 12                         /shm/name with Pss:  77 kB',
    'Pss:                 512 kB',
    '7f0000400000-7f0000500000 rw-p 00000000 00:00 0 ',
    'Pss:                8192 kB',
    '7f0000600000-7f0000700000 r-xp 00000000 fe:00 99                         /usr/lib/libc.so.6',
    'Pss:                  64 kB',
    '',
  ].join('\n');

  it.each([
    { why: 'the proportional set size', text: ROLLUP, kib: 4200 },
    { why: 'a process that has ended', text: '', kib: 0 },
  ])('$why', ({ text, kib }) => {
    expect(proportionalBytes(text)).toBe(kib * KiB);
  });

  it.each([
    { why: 'files of memory alone', devices: [], kib: 1024 },
    { why: 'and what lies on the given file system', devices: ['0:31'], kib: 1536 },
    { why: 'and on a disk', devices: ['254:0'], kib: 1088 },
  ])('pages of files that are mapped: $why', ({ devices, kib }) => {
    expect(mappedFileBytes(SMAPS, new Set(devices))).toBe(kib * KiB);
  });
});
