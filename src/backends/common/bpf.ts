import { assertNever } from '../../kernel/assert-never.ts';
import type { ArgumentTest, SeccompEntry } from './seccomp.ts';
import { AUDIT_ARCH, syscallNumber, type Architecture } from './syscalls.ts';

/**
 * Assembles a seccomp program: classic BPF, `struct sock_filter` after `struct sock_filter`, as `bwrap --seccomp`
 * reads it. Pure, and for little-endian machines, which both architectures are under Linux.
 */
interface Instruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly value: number;
}

/** linux/bpf_common.h: class, size or operation, mode or source, as the three that are needed here. */
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

/** `struct seccomp_data`: nr, arch, instruction pointer, six arguments of 64 bits. */
const OFFSET_NUMBER = 0;
const OFFSET_ARCH = 4;
const offsetOfArgument = (argument: number): number => 16 + argument * 8;

const RET_KILL_PROCESS = 0x80000000;
const RET_ERRNO = 0x00050000;
const RET_ALLOW = 0x7fff0000;

/** Calls of the x32 interface carry this bit and the same architecture. */
const X32_BIT = 0x40000000;

const load = (offset: number): Instruction => ({ code: LOAD_WORD, jumpTrue: 0, jumpFalse: 0, value: offset });
const finish = (value: number): Instruction => ({ code: RETURN, jumpTrue: 0, jumpFalse: 0, value });
const jump = (code: number, value: number, jumpTrue: number, jumpFalse: number): Instruction => ({
  code,
  jumpTrue,
  jumpFalse,
  value,
});

export function assembleSeccomp(entries: readonly SeccompEntry[], architecture: Architecture): Uint8Array<ArrayBuffer> {
  return encode([
    load(OFFSET_ARCH),
    jump(JUMP_EQUAL, AUDIT_ARCH[architecture], 1, 0),
    finish(RET_KILL_PROCESS),
    load(OFFSET_NUMBER),
    ...(architecture === 'x64' ? [jump(JUMP_GREATER_EQUAL, X32_BIT, 0, 1), finish(RET_KILL_PROCESS)] : []),
    ...entries.flatMap((entry) => assembleEntry(entry, architecture)),
    finish(RET_ALLOW),
  ]);
}

/** Leaves the call's number in the accumulator, whichever way it is left. */
function assembleEntry(entry: SeccompEntry, architecture: Architecture): readonly Instruction[] {
  const verdict = entry.when.reduceRight<readonly Instruction[]>(
    (rest, test) => [load(offsetOfArgument(test.argument)), ...assembleTest(test, rest.length), ...rest],
    [finish(RET_ERRNO | entry.errno)],
  );
  const body = entry.when.length === 0 ? verdict : [...verdict, load(OFFSET_NUMBER)];
  return entry.syscalls.flatMap((name) => {
    const number = syscallNumber(name, architecture);
    return number === null ? [] : [jump(JUMP_EQUAL, number, 0, body.length), ...body];
  });
}

/** Falls through when the test holds, else jumps over the `rest` that belongs to it. */
function assembleTest(test: ArgumentTest, rest: number): readonly Instruction[] {
  switch (test.test) {
    case 'any-bit-of':
      return [jump(JUMP_ANY_BIT, test.mask, 0, rest)];
    case 'none-of':
      return test.values.map((value, index) => jump(JUMP_EQUAL, value, test.values.length - 1 - index + rest, 0));
    case 'one-of':
      return test.values.map((value, index) => {
        const last = index === test.values.length - 1;
        return jump(JUMP_EQUAL, value, test.values.length - 1 - index, last ? rest : 0);
      });
    default:
      return assertNever(test);
  }
}

function encode(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jumpTrue, jumpFalse, value }, index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jumpTrue);
    view.setUint8(index * 8 + 3, jumpFalse);
    view.setUint32(index * 8 + 4, value >>> 0, true);
  });
  return bytes;
}
