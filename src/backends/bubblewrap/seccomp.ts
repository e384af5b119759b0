import { encode, finish, ifAnyBit, ifAtLeast, ifEqual, load, OFFSET, type Instruction } from './bpf.ts';
import { SYSCALLS, type SyscallName } from './syscalls.ts';

/**
 * The system call filter as data: what is refused, and why. Everything else is allowed; the other walls hold that.
 * The kernel looks at the low half of every argument named here, and so does the filter.
 */
export type Condition =
  | { readonly kind: 'any-bit'; readonly argument: number; readonly bits: number }
  | { readonly kind: 'equals'; readonly argument: number; readonly values: readonly number[] }
  | { readonly kind: 'other-than'; readonly argument: number; readonly values: readonly number[] };

export interface FilterEntry {
  readonly syscalls: readonly SyscallName[];
  /** All must hold for the refusal; none means always. */
  readonly when: readonly Condition[];
  /** `ENOSYS` makes libc fall back to an older call that the filter can look into. */
  readonly answer: 'EPERM' | 'ENOSYS';
  readonly reason: string;
  /** `debug: true` in the bottle lifts it. */
  readonly liftedByDebug?: true;
}

export type Architecture = 'x64' | 'arm64';

const CLONE_NEW = {
  ns: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
};
const ANY_NEW_NAMESPACE = Object.values(CLONE_NEW).reduce((all, bit) => all | bit, 0);
const FAMILY = { unix: 1, inet: 2, inet6: 10, netlink: 16 };
const NETLINK_ROUTE = 0;
/** Plain Linux, with and without randomised addresses, 32-bit uname, and the query. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0x40000, 0xffffffff];
const TERMINAL = { pushInput: 0x5412, console: 0x541c };

const always = (syscalls: readonly SyscallName[], reason: string): FilterEntry => ({
  syscalls,
  when: [],
  answer: 'EPERM',
  reason,
});

export const FILTER: readonly FilterEntry[] = [
  always(['add_key', 'request_key', 'keyctl'], 'key rings belong to the host user, not to a namespace'),
  always(['bpf'], 'loads programs into the kernel'),
  always(['perf_event_open'], 'measures other processes; a rich source of kernel bugs'),
  always(['userfaultfd'], 'stops the kernel in the middle of a copy, a building block of exploits'),
  always(['io_uring_setup', 'io_uring_enter', 'io_uring_register'], 'does system calls that no filter sees'),
  { ...always(['ptrace'], 'takes over other processes of the bottle'), liftedByDebug: true },
  always(['process_vm_readv', 'process_vm_writev'], "reads and writes other processes' memory"),
  always(['pidfd_getfd'], 'takes descriptors out of other processes'),
  always(['kcmp'], 'tells kernel addresses apart'),
  always(
    [
      'mount',
      'umount2',
      'pivot_root',
      'move_mount',
      'open_tree',
      'fsopen',
      'fsconfig',
      'fsmount',
      'fspick',
      'mount_setattr',
    ],
    'rearranges the file system that the walls are made of',
  ),
  always(['unshare', 'setns'], 'new namespaces give capabilities over new parts of the kernel'),
  {
    syscalls: ['clone'],
    when: [{ kind: 'any-bit', argument: 0, bits: ANY_NEW_NAMESPACE }],
    answer: 'EPERM',
    reason: 'new namespaces give capabilities over new parts of the kernel',
  },
  {
    syscalls: ['clone3'],
    when: [],
    answer: 'ENOSYS',
    reason: 'its flags lie in memory, where no filter can look; libc falls back to clone',
  },
  {
    syscalls: ['socket'],
    when: [{ kind: 'other-than', argument: 0, values: Object.values(FAMILY) }],
    answer: 'EPERM',
    reason: 'rare socket families are rarely tested kernel code, and vsock reaches the host',
  },
  {
    syscalls: ['socket'],
    when: [
      { kind: 'equals', argument: 0, values: [FAMILY.netlink] },
      { kind: 'other-than', argument: 2, values: [NETLINK_ROUTE] },
    ],
    answer: 'EPERM',
    reason: 'of netlink only the list of interfaces and routes is harmless',
  },
  always(['kexec_load', 'kexec_file_load', 'reboot'], 'replaces or stops the kernel'),
  always(['init_module', 'finit_module', 'delete_module'], 'loads code into the kernel'),
  always(['swapon', 'swapoff', 'acct', 'quotactl', 'quotactl_fd', 'nfsservctl'], 'sets up the host'),
  always(['settimeofday', 'clock_settime', 'clock_adjtime'], "the host's clock is not the bottle's"),
  always(['open_by_handle_at', 'fanotify_init'], 'opens or watches files outside every mount that is visible'),
  {
    syscalls: ['personality'],
    when: [{ kind: 'other-than', argument: 0, values: PERSONALITIES }],
    answer: 'EPERM',
    reason: 'old execution domains switch protections off',
  },
  {
    syscalls: ['ioctl'],
    when: [{ kind: 'equals', argument: 1, values: [TERMINAL.pushInput, TERMINAL.console] }],
    answer: 'EPERM',
    reason: "types into the operator's terminal",
  },
  always(['syslog'], "the kernel's log tells of the host"),
  always(['vhangup', 'modify_ldt', 'iopl', 'ioperm', 'lookup_dcookie'], 'old calls that nothing of today needs'),
];

const AUDIT_ARCH: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** On x86 the same kernel has a second table of 32-bit-pointer calls, beginning here. */
const X32_FIRST = 0x40000000;
const ERRNO = { EPERM: 1, ENOSYS: 38 } as const;
const RETURN = {
  allow: 0x7fff0000,
  errno: (value: number): number => 0x50000 | value,
  killProcess: 0x80000000,
} as const;

export interface FilterOptions {
  readonly architecture: Architecture;
  readonly debug: boolean;
  /** Another errno than EPERM, by which a refusal of this filter is told from the kernel's own. */
  readonly refusal?: number;
}

/** The filter's program, ready for the kernel. */
export function compileFilter(entries: readonly FilterEntry[], options: FilterOptions): Uint8Array {
  const { architecture } = options;
  const program: Instruction[] = [
    load(OFFSET.architecture),
    ifEqual(AUDIT_ARCH[architecture], 1, 0),
    finish(RETURN.killProcess),
    load(OFFSET.number),
    ...(architecture === 'x64' ? [ifAtLeast(X32_FIRST, 0, 1), finish(RETURN.killProcess)] : []),
  ];
  for (const entry of entries) {
    if (entry.liftedByDebug === true && options.debug) continue;
    const answer = entry.answer === 'ENOSYS' ? ERRNO.ENOSYS : (options.refusal ?? ERRNO.EPERM);
    for (const name of entry.syscalls) {
      const number = SYSCALLS[name][architecture];
      if (number !== null) program.push(...block(number, entry.when, RETURN.errno(answer)));
    }
  }
  program.push(finish(RETURN.allow));
  return encode(program);
}

/** One call: when its number matches and its conditions hold, answer; else go on behind the block, number reloaded. */
function block(number: number, conditions: readonly Condition[], answer: number): readonly Instruction[] {
  if (conditions.length === 0) return [ifEqual(number, 0, 1), finish(answer)];
  let body: readonly Instruction[] = [finish(answer)];
  for (const condition of conditions.toReversed()) body = [...guard(condition, body.length), ...body];
  const rest = [...body, load(OFFSET.number)];
  return [ifEqual(number, 0, rest.length), ...rest];
}

/** Falls through into the next `bodyLength` instructions when the condition holds, else jumps over them. */
function guard(condition: Condition, bodyLength: number): readonly Instruction[] {
  const value = load(OFFSET.argument(condition.argument));
  switch (condition.kind) {
    case 'any-bit':
      return [value, ifAnyBit(condition.bits, 0, bodyLength)];
    case 'equals':
      return [
        value,
        ...condition.values.map((wanted, index) => {
          const left = condition.values.length - 1 - index;
          return ifEqual(wanted, left, left === 0 ? bodyLength : 0);
        }),
      ];
    case 'other-than':
      return [
        value,
        ...condition.values.map((allowed, index) =>
          ifEqual(allowed, condition.values.length - 1 - index + bodyLength, 0),
        ),
      ];
  }
}
