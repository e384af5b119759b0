import type { SyscallName } from './syscalls.ts';

/**
 * The system call filter as data: what is refused, and why. Everything else is allowed; the other walls hold that.
 * The kernel looks at the low half of every argument named here, and so does the filter.
 */
export type ArgumentTest =
  | { readonly test: 'any-bit-of'; readonly argument: number; readonly mask: number }
  | { readonly test: 'one-of' | 'none-of'; readonly argument: number; readonly values: readonly number[] };

export interface SeccompEntry {
  readonly syscalls: readonly SyscallName[];
  /** All must hold for the refusal; none means always. */
  readonly when: readonly ArgumentTest[];
  readonly errno: number;
  readonly reason: string;
  /** `debug: true` in the bottle lifts it. */
  readonly liftedByDebug?: true;
}

const EPERM = 1;
/** Makes libc fall back to an older call that the filter can look into. */
const ENOSYS = 38;

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

const always = (syscalls: readonly SyscallName[], reason: string): SeccompEntry => ({
  syscalls,
  when: [],
  errno: EPERM,
  reason,
});

export const SECCOMP_ENTRIES: readonly SeccompEntry[] = [
  always(['add_key', 'request_key', 'keyctl'], 'key rings belong to the host user, not to a namespace'),
  always(['bpf'], 'loads programs into the kernel'),
  always(['perf_event_open'], 'measures other processes; a rich source of kernel bugs'),
  always(['userfaultfd'], 'stops the kernel in the middle of a copy, a building block of exploits'),
  always(['io_uring_setup', 'io_uring_enter', 'io_uring_register'], 'does system calls that no filter sees'),
  { ...always(['ptrace'], 'takes over other processes of the bottle'), liftedByDebug: true },
  always(['process_vm_readv', 'process_vm_writev', 'process_madvise'], "reaches into other processes' memory"),
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
      'open_tree_attr',
    ],
    'rearranges the file system that the walls are made of',
  ),
  always(['unshare', 'setns'], 'new namespaces give capabilities over new parts of the kernel'),
  {
    syscalls: ['clone'],
    when: [{ test: 'any-bit-of', argument: 0, mask: ANY_NEW_NAMESPACE }],
    errno: EPERM,
    reason: 'new namespaces give capabilities over new parts of the kernel',
  },
  {
    syscalls: ['clone3'],
    when: [],
    errno: ENOSYS,
    reason: 'its flags lie in memory, where no filter can look; libc falls back to clone',
  },
  {
    syscalls: ['socket'],
    when: [{ test: 'none-of', argument: 0, values: Object.values(FAMILY) }],
    errno: EPERM,
    reason: 'rare socket families are rarely tested kernel code, and vsock reaches the host',
  },
  {
    syscalls: ['socket'],
    when: [
      { test: 'one-of', argument: 0, values: [FAMILY.netlink] },
      { test: 'none-of', argument: 2, values: [NETLINK_ROUTE] },
    ],
    errno: EPERM,
    reason: 'of netlink only the list of interfaces and routes is harmless',
  },
  always(['kexec_load', 'kexec_file_load', 'reboot'], 'replaces or stops the kernel'),
  always(['init_module', 'finit_module', 'delete_module', 'create_module'], 'loads code into the kernel'),
  always(['swapon', 'swapoff', 'acct', 'quotactl', 'quotactl_fd', 'nfsservctl'], 'sets up the host'),
  always(['settimeofday', 'clock_settime', 'clock_adjtime'], "the host's clock is not the bottle's"),
  always(['open_by_handle_at', 'fanotify_init'], 'opens or watches files outside every mount that is visible'),
  {
    syscalls: ['personality'],
    when: [{ test: 'none-of', argument: 0, values: PERSONALITIES }],
    errno: EPERM,
    reason: 'old execution domains switch protections off',
  },
  {
    syscalls: ['ioctl'],
    when: [{ test: 'one-of', argument: 1, values: [TERMINAL.pushInput, TERMINAL.console] }],
    errno: EPERM,
    reason: "types into the operator's terminal",
  },
  always(['syslog'], "the kernel's log tells of the host"),
  always(
    ['vhangup', 'modify_ldt', 'iopl', 'ioperm', 'lookup_dcookie', 'uselib'],
    'old calls that nothing of today needs',
  ),
];

/** What is refused in this bottle. */
export function seccompEntries(debug: boolean): readonly SeccompEntry[] {
  return SECCOMP_ENTRIES.filter((entry) => !(debug && entry.liftedByDebug === true));
}
