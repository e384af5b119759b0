import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import type { BackendProbe } from '../../ports/backend.ts';
import { assetPath } from '../../platform/assets.ts';
import { readTextOrNull } from '../../platform/processes.ts';
import { SHOWN_ETC, SHOWN_ETC_PATTERN } from './etc-files.ts';
import type { HostFacts, SystemPath } from './plan.ts';

const PROGRAM_PLACES = ['/usr/bin', '/bin', '/usr/local/bin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin'];
const TOP = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const MASKED_PROC = [
  'kcore',
  'keys',
  'key-users',
  'kmsg',
  'timer_list',
  'sched_debug',
  'latency_stats',
  'acpi',
  'scsi',
  'asound',
];
const TRIAL_TIMEOUT_MS = 10_000;

/** The operator's PATH plays no part: what builds the walls comes from the system. */
export function findSystemProgram(name: string): string | null {
  return PROGRAM_PLACES.map((place) => path.join(place, name)).find((file) => fs.existsSync(file)) ?? null;
}

export function gatherHostFacts(): HostFacts {
  const bwrap = findSystemProgram('bwrap');
  if (bwrap === null) {
    throw new BottleError('backend_unavailable', { message: 'bubblewrap is not installed', hint: installCommand() });
  }
  return {
    bwrap,
    nodeBinary: fs.realpathSync(process.execPath),
    helper: assetPath('netns-helper.js'),
    probe: assetPath('probe.js'),
    architecture: architecture(),
    system: [{ kind: 'directory', path: '/usr' }, ...TOP.flatMap(systemPath)],
    etc: shownEtc(),
    maskedProc: MASKED_PROC.flatMap((name) => {
      const facts = fs.statSync(`/proc/${name}`, { throwIfNoEntry: false });
      if (facts === undefined) return [];
      return [{ path: `/proc/${name}`, kind: facts.isDirectory() ? ('directory' as const) : ('file' as const) }];
    }),
    root: process.getuid?.() === 0,
  };
}

function architecture(): HostFacts['architecture'] {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch;
  throw new BottleError('backend_unavailable', {
    message: `there is no system call filter for ${process.arch}`,
    hint: 'use a machine with x86-64 or 64-bit ARM',
  });
}

function systemPath(file: string): readonly SystemPath[] {
  const facts = fs.lstatSync(file, { throwIfNoEntry: false });
  if (facts === undefined) return [];
  if (facts.isSymbolicLink()) return [{ kind: 'link', path: file, target: fs.readlinkSync(file) }];
  return [{ kind: 'directory', path: file }];
}

function shownEtc(): readonly string[] {
  const versioned = fs
    .readdirSync('/etc')
    .filter((name) => SHOWN_ETC_PATTERN.test(name))
    .map((name) => `/etc/${name}`);
  return [...SHOWN_ETC, ...versioned].filter((file) => fs.existsSync(file));
}

/** Tries it: a bottle's two layers of namespaces around `true`. */
export function probeBubblewrap(): BackendProbe {
  const bwrap = findSystemProgram('bwrap');
  if (bwrap === null) return { available: false, why: 'bubblewrap is not installed', fix: installCommand() };
  for (const tool of ['unshare', 'setpriv', 'prlimit']) {
    if (findSystemProgram(tool) === null) {
      return { available: false, why: `${tool} (util-linux) is not installed`, fix: installCommand('util-linux') };
    }
  }
  const inner = ['--unshare-user', '--unshare-pid', '--disable-userns', '--ro-bind', '/', '/', '--proc', '/proc'];
  const outer = [
    '--unshare-user',
    '--unshare-net',
    '--uid',
    '0',
    '--gid',
    '0',
    '--cap-add',
    'ALL',
    '--dev-bind',
    '/',
    '/',
  ];
  const trial = spawnSync(bwrap, [...outer, '--', bwrap, ...inner, '--', '/bin/true'], {
    env: {},
    timeout: TRIAL_TIMEOUT_MS,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (trial.status === 0) return { available: true, why: `${bwrap} makes user, network and pid namespaces here` };
  const said = trial.stderr.trim().split('\n')[0] ?? '';
  return { available: false, why: `bubblewrap can't make its namespaces here: ${said}`, fix: userNamespaceFix() };
}

function userNamespaceFix(): string {
  const value = (name: string): string | undefined => readTextOrNull(`/proc/sys/${name}`)?.trim();
  if (value('kernel/unprivileged_userns_clone') === '0') return 'sudo sysctl kernel.unprivileged_userns_clone=1';
  if (value('user/max_user_namespaces') === '0') return 'sudo sysctl user.max_user_namespaces=15000';
  if (value('kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return 'sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0   (or an AppArmor profile for bwrap)';
  }
  return 'allow unprivileged user namespaces; in a container, run it with --security-opt seccomp=unconfined';
}

const PACKAGE_MANAGERS = [
  ['apt-get', 'sudo apt-get install'],
  ['dnf', 'sudo dnf install'],
  ['pacman', 'sudo pacman -S'],
  ['zypper', 'sudo zypper install'],
  ['apk', 'sudo apk add'],
] as const;

function installCommand(name = 'bubblewrap'): string {
  const found = PACKAGE_MANAGERS.find(([program]) => findSystemProgram(program) !== null);
  return found === undefined ? `install ${name} with the system's package manager` : `${found[1]} ${name}`;
}
