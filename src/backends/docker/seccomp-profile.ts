import { seccompEntries, type ArgumentTest, type SeccompEntry } from '../common/seccomp.ts';

/**
 * The bottle's system call filter in the engine's own form (`--security-opt seccomp=FILE`). The engine takes one profile,
 * so ours stands in for its default: it refuses what bubblewrap's does, and the calls that the default refuses and a
 * container without a capability could still make.
 * https://docs.docker.com/engine/security/seccomp/
 */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ALLOW';
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ERRNO';
  readonly errnoRet: number;
  readonly args: readonly SeccompArgument[];
}

interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo: number;
  readonly op: 'SCMP_CMP_MASKED_EQ';
}

const EPERM = 1;

/** Refused by the engine's default beside ours: they need a capability that no bottle has, or are long gone. */
const ENGINE_DEFAULT = [
  '_sysctl',
  'adjtimex',
  'get_kernel_syms',
  'get_mempolicy',
  'mbind',
  'migrate_pages',
  'move_pages',
  'name_to_handle_at',
  'query_module',
  'set_mempolicy',
  'sethostname',
  'setdomainname',
  'stime',
  'sysfs',
  'umount',
  'ustat',
  'vm86',
  'vm86old',
  'chroot',
  'mknod',
  'mknodat',
];

export function seccompProfile(debug: boolean): SeccompProfile {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
    syscalls: [
      ...seccompEntries(debug).flatMap(rules),
      { names: ENGINE_DEFAULT, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, args: [] },
    ],
  };
}

/** Rules of one entry are alternatives; within a rule all arguments must fit, and each may be named once. */
function rules({ syscalls, when, errno }: SeccompEntry): readonly SeccompRule[] {
  const alternatives = when.map(argumentsFor);
  const combined = alternatives.reduce<readonly (readonly SeccompArgument[])[]>(
    (all, next) => all.flatMap((args) => next.map((argument) => [...args, argument])),
    [[]],
  );
  return combined.map((args) => ({ names: syscalls, action: 'SCMP_ACT_ERRNO', errnoRet: errno, args }));
}

/** What fits the test, as masks: the kernel looks at the low half of an argument, so a comparison must too. */
function argumentsFor(test: ArgumentTest): readonly SeccompArgument[] {
  const masked = (mask: number, wanted: number): SeccompArgument => ({
    index: test.argument,
    value: mask,
    valueTwo: wanted,
    op: 'SCMP_CMP_MASKED_EQ',
  });
  switch (test.test) {
    case 'any-bit-of':
      return bitsOf(test.mask).map((bit) => masked(bit, bit));
    case 'one-of':
      return test.values.map((value) => masked(WHOLE, value));
    case 'none-of':
      return blocksWithout(test.values).map(({ mask, value }) => masked(mask, value));
  }
}

const WORD_BITS = 32;
const WHOLE = 0xffffffff;

function bitsOf(mask: number): readonly number[] {
  return Array.from({ length: WORD_BITS }, (_, bit) => 2 ** bit).filter((bit) => (mask & bit) !== 0);
}

interface Block {
  /** Leading bits that are fixed, and what they are. */
  readonly mask: number;
  readonly value: number;
}

/** Every 32-bit number but these, as blocks of numbers that begin alike: a routing table of all that is left. */
export function blocksWithout(values: readonly number[]): readonly Block[] {
  const blocks: Block[] = [];
  const walk = (value: number, fixedBits: number): void => {
    const size = 2 ** (WORD_BITS - fixedBits);
    const inside = values.filter((excluded) => excluded >= value && excluded < value + size);
    if (inside.length === 0) {
      blocks.push({ mask: 2 ** WORD_BITS - size, value });
      return;
    }
    if (size === 1) return;
    walk(value, fixedBits + 1);
    walk(value + size / 2, fixedBits + 1);
  };
  walk(0, 0);
  return blocks;
}
