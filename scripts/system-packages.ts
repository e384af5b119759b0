/**
 * The system's package manager: which one there is, what a program's package is called there, and the command that
 * installs it. The pure half is `planInstall`; `installPrograms` prints the command and runs it if it may.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

export type Manager = 'apt' | 'dnf' | 'pacman' | 'apk' | 'zypper';
export type Program =
  | 'bwrap'
  | 'git'
  | 'docker'
  | 'gvisor'
  | 'mmdebstrap'
  | 'qemu'
  | 'mitmproxy'
  | 'squid'
  | 'h2load'
  | 'sshd'
  | 'strace'
  | 'tmux'
  | 'curl'
  | 'openssl'
  | 'python3';

interface ManagerFacts {
  readonly program: string;
  readonly refresh: readonly string[] | null;
  readonly install: readonly string[];
}

const MANAGERS: Readonly<Record<Manager, ManagerFacts>> = {
  apt: {
    program: 'apt-get',
    refresh: ['apt-get', 'update'],
    install: ['apt-get', 'install', '--yes', '--no-install-recommends'],
  },
  dnf: { program: 'dnf', refresh: null, install: ['dnf', 'install', '--assumeyes'] },
  pacman: { program: 'pacman', refresh: null, install: ['pacman', '--sync', '--refresh', '--needed', '--noconfirm'] },
  apk: { program: 'apk', refresh: null, install: ['apk', 'add', '--update-cache'] },
  zypper: {
    program: 'zypper',
    refresh: ['zypper', '--non-interactive', 'refresh'],
    install: ['zypper', '--non-interactive', 'install'],
  },
};

/** `null`: this distribution does not package it. */
const PACKAGES: Readonly<Record<Program, Readonly<Record<Manager, string | null>>>> = {
  bwrap: { apt: 'bubblewrap', dnf: 'bubblewrap', pacman: 'bubblewrap', apk: 'bubblewrap', zypper: 'bubblewrap' },
  git: { apt: 'git', dnf: 'git', pacman: 'git', apk: 'git', zypper: 'git' },
  docker: { apt: 'docker.io', dnf: 'moby-engine', pacman: 'docker', apk: 'docker', zypper: 'docker' },
  gvisor: { apt: 'runsc', dnf: null, pacman: null, apk: null, zypper: null },
  mmdebstrap: { apt: 'mmdebstrap', dnf: null, pacman: null, apk: null, zypper: null },
  qemu: {
    apt: 'qemu-system-x86',
    dnf: 'qemu-system-x86-core',
    pacman: 'qemu-system-x86',
    apk: 'qemu-system-x86_64',
    zypper: 'qemu-x86',
  },
  mitmproxy: { apt: 'mitmproxy', dnf: 'mitmproxy', pacman: 'mitmproxy', apk: null, zypper: null },
  squid: { apt: 'squid-openssl', dnf: 'squid', pacman: 'squid', apk: 'squid', zypper: 'squid' },
  h2load: { apt: 'nghttp2-client', dnf: 'nghttp2', pacman: 'nghttp2', apk: 'nghttp2', zypper: 'nghttp2' },
  sshd: { apt: 'openssh-server', dnf: 'openssh-server', pacman: 'openssh', apk: 'openssh', zypper: 'openssh-server' },
  strace: { apt: 'strace', dnf: 'strace', pacman: 'strace', apk: 'strace', zypper: 'strace' },
  tmux: { apt: 'tmux', dnf: 'tmux', pacman: 'tmux', apk: 'tmux', zypper: 'tmux' },
  curl: { apt: 'curl', dnf: 'curl', pacman: 'curl', apk: 'curl', zypper: 'curl' },
  openssl: { apt: 'openssl', dnf: 'openssl', pacman: 'openssl', apk: 'openssl', zypper: 'openssl' },
  python3: { apt: 'python3', dnf: 'python3', pacman: 'python', apk: 'python3', zypper: 'python3' },
};

/** The file whose presence on PATH says that a program is installed. */
const EXECUTABLES: Readonly<Record<Program, string>> = {
  bwrap: 'bwrap',
  git: 'git',
  docker: 'dockerd',
  gvisor: 'runsc',
  mmdebstrap: 'mmdebstrap',
  qemu: 'qemu-system-x86_64',
  mitmproxy: 'mitmdump',
  squid: 'squid',
  h2load: 'h2load',
  sshd: 'sshd',
  strace: 'strace',
  tmux: 'tmux',
  curl: 'curl',
  openssl: 'openssl',
  python3: 'python3',
};

/** Programs that only root has on PATH count as well. */
const SEARCHED = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export function findExecutable(name: string, searchPath: string = process.env['PATH'] ?? ''): string | null {
  for (const directory of [...searchPath.split(path.delimiter), ...SEARCHED]) {
    if (directory === '') continue;
    const file = path.join(directory, name);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  return null;
}

export function missingPrograms(wanted: readonly Program[]): readonly Program[] {
  return wanted.filter((program) => findExecutable(EXECUTABLES[program]) === null);
}

export function detectManager(): Manager | null {
  const found = (Object.keys(MANAGERS) as Manager[]).find((name) => findExecutable(MANAGERS[name].program) !== null);
  return found ?? null;
}

export interface InstallPlan {
  readonly commands: readonly (readonly string[])[];
  /** Wanted, but this system has no package of it. */
  readonly unpackaged: readonly Program[];
}

/** Pure: the commands that install `programs`, each prefixed with sudo unless `asRoot`. */
export function planInstall(manager: Manager, programs: readonly Program[], asRoot: boolean): InstallPlan {
  const packages = programs.map((program) => PACKAGES[program][manager]).filter((name) => name !== null);
  const { refresh, install } = MANAGERS[manager];
  const steps = packages.length === 0 ? [] : [...(refresh === null ? [] : [refresh]), [...install, ...packages]];
  return {
    commands: asRoot ? steps : steps.map((step) => ['sudo', '--non-interactive', ...step]),
    unpackaged: programs.filter((program) => PACKAGES[program][manager] === null),
  };
}

/** What a person would type. */
export function spellCommand(command: readonly string[]): string {
  return command.filter((word) => word !== '--non-interactive' || command[0] !== 'sudo').join(' ');
}

export type InstallOutcome =
  | { readonly kind: 'present' }
  | { readonly kind: 'installed' }
  | {
      readonly kind: 'not-installed';
      readonly missing: readonly Program[];
      readonly why: string;
      readonly fix: string;
    };

/** Installs what is missing, printing each command first; without the right to, says the command instead. */
export function installPrograms(wanted: readonly Program[], say: (line: string) => void): InstallOutcome {
  const missing = missingPrograms(wanted);
  if (missing.length === 0) return { kind: 'present' };
  const manager = detectManager();
  if (manager === null) {
    const fix = `install ${missing.join(', ')} with your system's package manager`;
    return { kind: 'not-installed', missing, why: 'no package manager that is known here', fix };
  }
  const asRoot = process.getuid?.() === 0;
  const plan = planInstall(manager, missing, asRoot);
  const fix = plan.commands.map(spellCommand).join(' && ');
  if (!asRoot && !hasPasswordlessSudo()) return { kind: 'not-installed', missing, why: 'this needs root', fix };
  for (const command of plan.commands) {
    say(`$ ${spellCommand(command)}`);
    if (!runs(command)) return { kind: 'not-installed', missing, why: `"${spellCommand(command)}" failed`, fix };
  }
  const left = missingPrograms(wanted);
  if (left.length === 0) return { kind: 'installed' };
  return { kind: 'not-installed', missing: left, why: 'this system has no package of it', fix };
}

function hasPasswordlessSudo(): boolean {
  return spawnSync('sudo', ['--non-interactive', 'true'], { stdio: 'ignore' }).status === 0;
}

function runs([program = '', ...args]: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
}
