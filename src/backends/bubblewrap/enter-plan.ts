import { z } from 'zod';
import { INSIDE } from '../../schema/plan.ts';

/**
 * How a further command gets into a bottle that runs. Pure: the door is what the launcher tells of its bottle, and the
 * argument lists are made of it. Counterpart: `enter.ts`, which says why it takes two chains of programs.
 */
export const DoorSchema = z.strictObject({
  /** The bottle's first process, in the host's numbering; with its start time it is the same one for ever. */
  pid: z.int().positive(),
  startTime: z.string(),
  /** The bottle's uid on the host, when root gave it one. */
  hostUid: z.int().positive().nullable(),
  bwrap: z.string().startsWith('/'),
  /** Files that take the pid of whoever is to be in a control group. */
  joins: z.array(z.string().startsWith('/')),
  /** The limit of processes, where it is one that is inherited. */
  nproc: z.int().positive().nullable(),
  /** The system call filter of the agent, assembled, in base64. */
  filter: z.base64(),
  mounts: z.strictObject({ readOnly: z.array(z.string()), writable: z.array(z.string()) }),
});
export type Door = z.infer<typeof DoorSchema>;

/** Programs of the host; the second chain finds bubblewrap, the shell and setsid inside, where the host's /usr is too. */
export interface EnterTools {
  readonly setpriv: string;
  readonly nsenter: string;
  readonly prlimit: string;
}

/** The process whose namespaces are the outer half of the bottle: bubblewrap's own, the first process's parent. */
export interface EnterPids {
  readonly outer: number;
  readonly first: number;
}

export const ENTER_FD = { args: 3, seccomp: 4, gate: 5, user: 6, stderr: 7, report: 8 } as const;

const JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';
/** The first line is an answer to the question whether it is there; then it waits to be let go. */
const HOLD = 'echo held; read -r _';
/** Waits in all of its walls until they have been looked at from outside. */
const GATE = 'echo ready >&8 && read -r _ <&5 || exit 125; exec 2>&7 5<&- 6<&- 7>&- 8>&-; exec "$@"';

/** Holds a user namespace of the command's own, which can make no further one. */
export function holderArgv(door: Door, tools: EnterTools, { outer }: EnterPids): readonly string[] {
  return [
    ...ownerSteps(door, tools),
    tools.nsenter,
    '--preserve-credentials',
    `--user=/proc/${String(outer)}/ns/user`,
    '--',
    door.bwrap,
    '--unshare-user',
    '--disable-userns',
    ...IDENTITY,
    '--dev-bind',
    '/',
    '/',
    '--',
    '/bin/sh',
    '-c',
    HOLD,
  ];
}

export interface EnteringCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly ownTerminal: boolean;
}

export interface Entry {
  readonly argv: readonly string[];
  /** What bubblewrap reads from its argument pipe, NUL-terminated each: values are in it. */
  readonly bwrapArguments: readonly string[];
}

export function entryOf(door: Door, tools: EnterTools, { outer, first }: EnterPids, command: EnteringCommand): Entry {
  const of = (pid: number, kind: string): string => `/proc/${String(pid)}/ns/${kind}`;
  return {
    argv: [
      ...ownerSteps(door, tools),
      tools.nsenter,
      '--preserve-credentials',
      `--user=${of(outer, 'user')}`,
      `--net=${of(first, 'net')}`,
      `--mount=${of(first, 'mnt')}`,
      `--pid=${of(first, 'pid')}`,
      `--ipc=${of(first, 'ipc')}`,
      `--uts=${of(first, 'uts')}`,
      `--cgroup=${of(first, 'cgroup')}`,
      '--',
      door.bwrap,
      '--args',
      String(ENTER_FD.args),
      '--',
      '/bin/sh',
      '-c',
      GATE,
      'gate',
      // A session can only be begun by the process that is to lead it.
      ...(command.ownTerminal ? ['/usr/bin/setsid', '--ctty', '--'] : []),
      ...command.argv,
    ],
    bwrapArguments: [
      '--userns',
      String(ENTER_FD.user),
      ...IDENTITY,
      '--clearenv',
      ...(command.ownTerminal ? [] : ['--new-session']),
      '--dev-bind',
      '/',
      '/',
      ...Object.entries(command.env).flatMap(([name, value]) => ['--setenv', name, value]),
      '--chdir',
      command.cwd,
      '--seccomp',
      String(ENTER_FD.seccomp),
    ],
  };
}

const IDENTITY = [
  '--uid',
  String(INSIDE.uid),
  '--gid',
  String(INSIDE.gid),
  '--cap-drop',
  'ALL',
  '--die-with-parent',
] as const;

/** Into the control groups while we may, then become whoever the bottle is on the host. */
function ownerSteps({ joins, hostUid, nproc }: Door, { setpriv, prlimit }: EnterTools): readonly string[] {
  const id = String(hostUid);
  return [
    ...(joins.length === 0 ? [] : ['/bin/sh', '-c', JOIN, 'join', ...joins, '--']),
    ...(nproc === null ? [] : [prlimit, `--nproc=${String(nproc)}`]),
    setpriv,
    ...(hostUid === null ? [] : ['--reuid', id, '--regid', id, '--clear-groups']),
    '--pdeathsig',
    'KILL',
    '--',
  ];
}
