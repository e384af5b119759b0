import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { assembleSeccomp } from '../../src/backends/common/bpf.ts';
import { needProgram } from '../../src/backends/bubblewrap/facts.ts';
import { SECCOMP_ENTRIES, seccompEntries, type SeccompEntry } from '../../src/backends/common/seccomp.ts';
import { AUDIT_ARCH, syscallNumber, type SyscallName } from '../../src/backends/common/syscalls.ts';
import { startBottle } from './support/bottle.ts';

const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
/** No kernel answers with it, so it is the filter that spoke. */
const MARK = 99;
const ENOSYS = 38;
const SIGSYS = 31;

const marked = (entry: SeccompEntry): SeccompEntry => (entry.errno === ENOSYS ? entry : { ...entry, errno: MARK });

/** Arguments that meet the entry's conditions and that the kernel itself refuses or ignores. */
function attemptOf(entry: SeccompEntry, name: SyscallName): string {
  const args = [0, 0, 0, 0, 0, 0];
  for (const test of entry.when) {
    if (test.test === 'any-bit-of') args[test.argument] = 0x10000000 | 0x10000;
    if (test.test === 'one-of') args[test.argument] = test.values[0] ?? 0;
    if (test.test === 'none-of') args[test.argument] = test.argument === 0 && name === 'personality' ? 0x400000 : 9;
  }
  if (name === 'ptrace') args[0] = 9999;
  return `${syscallNumber(name, architecture)} ${args.join(' ')}`;
}

const PERL =
  'while (<STDIN>) { $! = 0; @a = map { $_ + 0 } split; $n = shift @a; $r = syscall($n, @a); print(($r == -1 ? $!+0 : 0), "\\n"); }';

/** One box with this filter, in which perl makes the calls; answers one errno a line. */
async function errnos(entries: readonly SeccompEntry[], attempts: readonly string[]): Promise<readonly number[]> {
  const box = [
    '--unshare-all',
    '--uid',
    '1000',
    '--gid',
    '1000',
    '--cap-drop',
    'ALL',
    '--ro-bind',
    '/',
    '/',
    '--dev',
    '/dev',
    '--die-with-parent',
  ];
  const child = spawn(needProgram('bwrap'), [...box, '--seccomp', '3', '--', '/usr/bin/perl', '-e', PERL], {
    stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
    env: {},
  });
  const filter = child.stdio[3];
  if (!filter || !('write' in filter)) throw new Error('no pipe for the filter');
  filter.end(assembleSeccomp(entries, architecture));
  child.stdin?.end(attempts.map((attempt) => `${attempt}\n`).join(''));
  let text = '';
  child.stdout?.on('data', (chunk) => (text += String(chunk)));
  const [code] = await once(child, 'close');
  return [...text.split('\n').filter(Boolean).map(Number), ...(code === 0 ? [] : [-Number(code)])];
}

describe('the system call filter', () => {
  const rows = SECCOMP_ENTRIES.map((entry, index) => ({
    entry,
    index,
    names: entry.syscalls.join(', '),
    why: entry.reason,
  }));

  test.each(rows)('G-CONFINED refuses $names ($why), and only this entry does', async ({ entry, index }) => {
    const names = entry.syscalls.filter((name) => syscallNumber(name, architecture) !== null);
    const attempts = names.map((name) => attemptOf(entry, name));
    const all = SECCOMP_ENTRIES.map(marked);
    const expected = names.map(() => (entry.errno === ENOSYS ? ENOSYS : MARK));
    expect(await errnos(all, attempts)).toEqual(expected);
    const without = await errnos(all.toSpliced(index, 1), attempts);
    expect(without).toHaveLength(names.length);
    names.forEach((name, place) => {
      // The kernel of today knows some of these calls no more and says so itself.
      expect(without[place], name).not.toBe(entry.errno === ENOSYS ? ENOSYS : MARK);
    });
  });

  test('lets the ordinary variants of the looked-into calls through', async () => {
    const number = (name: SyscallName): number => syscallNumber(name, architecture) ?? -1;
    const attempts = [
      `${number('socket')} 1 1 0`,
      `${number('socket')} 2 1 0`,
      `${number('socket')} 10 2 0`,
      `${number('socket')} 16 3 0`,
      `${number('personality')} 4294967295`,
    ];
    expect(await errnos(SECCOMP_ENTRIES.map(marked), attempts)).toEqual([0, 0, 0, 0, 0]);
  });

  test.runIf(architecture === 'x64')('kills a call of the x32 table', async () => {
    expect(await errnos(SECCOMP_ENTRIES, [`${0x40000000 + 39}`])).toEqual([-(128 + SIGSYS)]);
  });

  test('debug lifts ptrace and nothing else', () => {
    const lifted = seccompEntries(false).filter((entry) => !seccompEntries(true).includes(entry));
    expect(lifted.flatMap(({ syscalls }) => syscalls)).toEqual(['ptrace']);
  });

  test('a foreign architecture is killed, whatever it calls', () => {
    for (const own of ['x64', 'arm64'] as const) {
      const program = assembleSeccomp(SECCOMP_ENTRIES, own);
      const foreign = own === 'x64' ? [AUDIT_ARCH.arm64, 0x40000003] : [AUDIT_ARCH.x64, 0x40000028];
      for (const arch of foreign) expect(simulate(program, arch, 39)).toBe(0x80000000);
      expect(simulate(program, AUDIT_ARCH[own], 999)).toBe(0x7fff0000);
      expect(simulate(program, AUDIT_ARCH[own], syscallNumber('mount', own) ?? 0)).toBe(0x50001);
    }
  });

  test('G-CONFINED in a bottle the same calls get EPERM', async () => {
    const always = SECCOMP_ENTRIES.filter(({ errno }) => errno !== ENOSYS);
    const attempts = always.flatMap((entry) =>
      entry.syscalls.flatMap((name) => (syscallNumber(name, architecture) === null ? [] : [attemptOf(entry, name)])),
    );
    await using started = await startBottle();
    const { stdout } = await started.run(['perl', '-e', PERL], {}, attempts.map((line) => `${line}\n`).join(''));
    expect(stdout.trim().split('\n')).toEqual(attempts.map(() => '1'));
  });
});

/** Classic BPF, as far as the filter uses it, on a call without arguments. */
function simulate(program: Uint8Array<ArrayBuffer>, architectureOfCall: number, call: number): number {
  const view = new DataView(program.buffer);
  let loaded = 0;
  for (let index = 0; index * 8 < program.length; index += 1) {
    const code = view.getUint16(index * 8, true);
    const value = view.getUint32(index * 8 + 4, true);
    const holds = code === 0x15 ? loaded === value : code === 0x35 ? loaded >= value : (loaded & value) !== 0;
    if (code === 0x06) return value;
    if (code === 0x20) loaded = value === 0 ? call : value === 4 ? architectureOfCall : 0;
    else index += view.getUint8(index * 8 + (holds ? 2 : 3));
  }
  throw new Error('the program has no end');
}
