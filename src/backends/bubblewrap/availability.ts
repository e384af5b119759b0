import { spawnSync } from 'node:child_process';
import type { BackendProbe } from '../../ports/backend.ts';
import { readTextOrNull } from '../../platform/processes.ts';
import { findProgram, thisArchitecture } from './facts.ts';

const TRIAL_TIMEOUT_MS = 10_000;

/** Tries it: a bottle's two layers of namespaces around `true`. */
export function probeBubblewrap(): BackendProbe {
  if (thisArchitecture() === null) {
    const why = `there is no system call filter for ${process.arch}`;
    return { available: false, why, fix: 'use a machine with x86-64 or 64-bit ARM' };
  }
  const bwrap = findProgram('bwrap');
  if (bwrap === null) {
    return { available: false, why: 'bubblewrap is not installed', fix: installCommand('bubblewrap') };
  }
  for (const tool of ['unshare', 'setpriv', 'prlimit']) {
    if (findProgram(tool) === null) {
      return { available: false, why: `${tool} (util-linux) is not installed`, fix: installCommand('util-linux') };
    }
  }
  const outer = ['--unshare-user', '--unshare-net', '--uid', '0', '--gid', '0', '--cap-add', 'ALL'];
  const inner = ['--unshare-user', '--unshare-pid', '--disable-userns', '--ro-bind', '/', '/', '--proc', '/proc'];
  const trial = spawnSync(bwrap, [...outer, '--dev-bind', '/', '/', '--', bwrap, ...inner, '--', '/bin/true'], {
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

function installCommand(name: string): string {
  const found = PACKAGE_MANAGERS.find(([program]) => findProgram(program) !== null);
  return found === undefined ? `install ${name} with the system's package manager` : `${found[1]} ${name}`;
}
