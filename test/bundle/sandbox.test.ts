import { describe, expect, it } from 'vitest';
import { planSandbox, planUnboxed, PROCESS_KINDS, type SandboxFacts } from '../../src/bundle/sandbox.ts';
import { serviceFilter } from '../../src/bundle/service-filter.ts';
import { planStage } from '../../src/platform/staging.ts';

const PLAIN: SandboxFacts = {
  bwrap: '/usr/bin/bwrap',
  nodeBinary: '/home/op/node',
  script: '/home/op/dist/egress.js',
  libraries: [
    { kind: 'directory', path: '/usr/lib' },
    { kind: 'link', path: '/lib', target: 'usr/lib' },
  ],
  controlDirectory: '/home/op/control',
  spillDirectory: '/home/op/spill',
  filterFd: 9,
  dropTo: null,
};
const STAGE = planStage('/run/stage', [
  { source: '/home/op/node', name: 'node' },
  { source: '/home/op/dist/egress.js', name: 'service.js' },
  { source: '/home/op/control', name: 'control' },
  { source: '/home/op/spill', name: 'spill' },
]);
const AS_ROOT: SandboxFacts = { ...PLAIN, dropTo: { uid: 2_000_007, stage: STAGE } };

/** The arguments after each occurrence of an option. */
function valuesOf(argv: readonly string[], option: string, count: number): readonly string[][] {
  return argv.flatMap((word, index) => (word === option ? [argv.slice(index + 1, index + 1 + count)] : []));
}
/** Bubblewrap's own arguments. */
function boxOf(argv: readonly string[]): readonly string[] {
  const start = argv.indexOf('/usr/bin/bwrap');
  return argv.slice(start + 1, argv.indexOf('--', start));
}

describe('S5 the box of a process of the bundle, as a plan', () => {
  it.each(PROCESS_KINDS)('%s: every namespace of its own, no capability, no further namespaces', (kind) => {
    const box = boxOf(planSandbox(kind, PLAIN));
    for (const namespace of ['user', 'pid', 'ipc', 'uts']) expect(box).toContain(`--unshare-${namespace}`);
    for (const option of [
      '--disable-userns',
      '--die-with-parent',
      '--new-session',
      '--clearenv',
      '--unshare-cgroup-try',
    ]) {
      expect(box).toContain(option);
    }
    expect(valuesOf(box, '--cap-drop', 1)).toEqual([['ALL']]);
    expect(box).not.toContain('--cap-add');
    expect(valuesOf(box, '--seccomp', 1)).toEqual([['9']]);
  });

  it('only the gateway has a network, and the git gate for upstreams elsewhere, and the files that a network needs', () => {
    expect(boxOf(planSandbox('git-gate', PLAIN))).toContain('--unshare-net');
    expect(boxOf(planSandbox('git-gate', { ...PLAIN, remoteUpstreams: true }))).not.toContain('--unshare-net');
    expect(boxOf(planSandbox('init', { ...PLAIN, remoteUpstreams: true }))).toContain('--unshare-net');
    expect(boxOf(planSandbox('init', PLAIN))).toContain('--unshare-net');
    expect(boxOf(planSandbox('egress', PLAIN))).not.toContain('--unshare-net');
    const filesOf = (kind: 'init' | 'egress'): readonly string[] =>
      valuesOf(boxOf(planSandbox(kind, PLAIN)), '--ro-bind-try', 2).map(([source = '']) => source);
    expect(filesOf('init')).toEqual(['/etc/ld.so.cache']);
    expect(filesOf('egress')).toEqual([
      '/etc/ld.so.cache',
      '/etc/resolv.conf',
      '/etc/hosts',
      '/etc/nsswitch.conf',
      '/etc/host.conf',
      '/etc/gai.conf',
    ]);
  });

  it.each(PROCESS_KINDS)(
    '%s: of the host it sees libraries, node and its file, read-only; it writes in its own directories only',
    (kind) => {
      const box = boxOf(planSandbox(kind, PLAIN));
      const programs = kind === 'git-gate' ? [['/usr/bin', '/usr/bin']] : [];
      expect(valuesOf(box, '--ro-bind', 2)).toEqual([
        ['/usr/lib', '/usr/lib'],
        ...programs,
        ['/home/op/node', '/opt/bot-bottle/node'],
        ['/home/op/dist/egress.js', '/opt/bot-bottle/service.js'],
      ]);
      expect(valuesOf(box, '--bind', 2)).toEqual([
        ['/home/op/control', '/control'],
        ['/home/op/spill', '/spill'],
      ]);
      const without = { ...PLAIN, controlDirectory: null, spillDirectory: null };
      expect(boxOf(planSandbox(kind, without))).not.toContain('--bind');
      expect(valuesOf(box, '--remount-ro', 1)).toEqual([['/dev'], ['/']]);
      expect(
        box.filter((option) => option.startsWith('--dev-bind') || (option === '--tmpfs' && kind !== 'git-gate')),
      ).toEqual([]);
    },
  );

  it.each(PROCESS_KINDS)('%s: the environment is fixed, the cwd empty', (kind) => {
    const box = boxOf(planSandbox(kind, PLAIN));
    expect(valuesOf(box, '--setenv', 2)).toEqual([['LANG', 'C.UTF-8']]);
    expect(valuesOf(box, '--chdir', 1)).toEqual([['/empty']]);
    expect(valuesOf(box, '--dir', 1)).toEqual([['/empty']]);
  });

  it.each([
    { why: 'boxed', argv: planSandbox('egress', PLAIN) },
    { why: 'boxed, under root', argv: planSandbox('egress', AS_ROOT) },
    { why: 'unboxed', argv: planUnboxed(PLAIN) },
    { why: 'unboxed, under root', argv: planUnboxed(AS_ROOT) },
  ])('$why: no core files, no inspector by signal, and no option that would write memory to a file', ({ argv }) => {
    expect(argv.join(' ')).toContain('/bin/sh -c ulimit -c 0 && exec "$@" no-core');
    const flags = argv.slice(argv.findLastIndex((word) => word.endsWith('/node')) + 1);
    expect(flags).toEqual([
      '--disable-sigusr1',
      '--no-warnings',
      '--max-semi-space-size=2',
      expect.stringMatching(/\.js$/),
    ]);
  });

  it('started by root, everything runs under a uid of its own, from a stage that it can reach', () => {
    for (const argv of [planSandbox('egress', AS_ROOT), planUnboxed(AS_ROOT)]) {
      expect(argv.slice(0, STAGE.prefix.length)).toEqual(STAGE.prefix);
      const drop = argv.slice(argv.indexOf('/usr/bin/setpriv'));
      expect(drop.slice(1, 7)).toEqual([
        '--reuid',
        '2000007',
        '--regid',
        '2000007',
        '--clear-groups',
        '--no-new-privs',
      ]);
      expect(drop.filter((word) => word.startsWith('/home/'))).toEqual([]);
    }
  });

  it('without a box it still can gain no privilege, and ends with the launcher', () => {
    for (const facts of [PLAIN, AS_ROOT]) {
      expect(planUnboxed(facts)).toContain('--no-new-privs');
      expect(valuesOf(planUnboxed(facts), '--pdeathsig', 1)).toEqual([['KILL']]);
    }
  });

  it('an architecture that the filter does not know goes without, the box stays', () => {
    expect(serviceFilter('riscv64')).toBeNull();
    expect(serviceFilter('x64')!.length).toBeGreaterThan(0);
    expect(boxOf(planSandbox('egress', { ...PLAIN, filterFd: null }))).not.toContain('--seccomp');
  });
});
