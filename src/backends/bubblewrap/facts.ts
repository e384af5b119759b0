import fs from 'node:fs';

import path from 'node:path';
import { BottleError } from '../../kernel/errors.ts';
import { operator } from '../../platform/operator.ts';
import type { LimitSupport } from '../../schema/limits.ts';
import { measuresDisk, supportFrom, type CgroupBases } from './cgroups.ts';
import { ETC_VISIBLE, PROC_MASKED, PROC_READ_ONLY } from './visible.ts';
import { ARCHITECTURES, type Architecture } from '../common/syscalls.ts';

/** What `plan.ts` needs to know of this machine: gathered once, and from then on everything is a pure function. */
export interface HostFacts {
  readonly architecture: Architecture;
  /** Who starts us. Root's bottles get a host uid of their own. */
  readonly uid: number;
  readonly gid: number;
  readonly operatorHome: string;
  readonly bwrap: string;
  /** Top-level directories of the system as they are: links are made again, directories are bound. */
  readonly system: readonly SystemEntry[];
  /** Those of the named list of `/etc` that are there. */
  readonly etc: readonly string[];
  /** The file that programs take for the system's roots, links resolved; our bundle covers it. */
  readonly systemCaBundle: string | null;
  readonly procMasked: readonly ProcEntry[];
  readonly procReadOnly: readonly string[];
  readonly limits: LimitSupport;
  readonly cgroups: CgroupBases;
  readonly launcherPid: number;
}
export type SystemEntry =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };
export interface ProcEntry {
  readonly path: string;
  readonly kind: 'file' | 'directory';
}

const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store'];

/** Where the families of distributions keep the one file with all roots. */
const CA_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const PROGRAM_PLACES = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin'];

/** The operator's PATH plays no part: a project's directory may be on it. */
export function findProgram(name: string): string | null {
  return PROGRAM_PLACES.map((place) => path.join(place, name)).find((file) => fs.existsSync(file)) ?? null;
}

export function needProgram(name: string): string {
  const found = findProgram(name);
  if (found !== null) return found;
  throw new BottleError('tool_missing', { message: `${name} is not installed`, hint: 'bot-bottle doctor' });
}

export function thisArchitecture(): Architecture | null {
  return ARCHITECTURES.find((name) => name === process.arch) ?? null;
}

export function gatherHostFacts(cgroups: CgroupBases): HostFacts {
  const architecture = thisArchitecture();
  if (architecture === null) {
    throw new BottleError('backend_unavailable', { message: `there is no system call filter for ${process.arch}` });
  }
  const { uid, gid, home } = operator();
  return {
    architecture,
    uid,
    gid,
    operatorHome: home,
    bwrap: needProgram('bwrap'),
    system: SYSTEM.flatMap(systemEntry),
    etc: etcEntries(),
    systemCaBundle: systemCaBundle(),
    procMasked: PROC_MASKED.flatMap(procEntry),
    procReadOnly: PROC_READ_ONLY.filter((file) => fs.existsSync(file)),
    limits: supportFrom(cgroups, measuresDisk()),
    cgroups,
    launcherPid: process.pid,
  };
}

function systemEntry(file: string): readonly SystemEntry[] {
  const facts = fs.lstatSync(file, { throwIfNoEntry: false });
  if (facts?.isSymbolicLink() === true) return [{ kind: 'link', path: file, target: fs.readlinkSync(file) }];
  return facts?.isDirectory() === true ? [{ kind: 'directory', path: file }] : [];
}

/** A name ending in `*` stands for every entry that begins so. */
function etcEntries(): readonly string[] {
  const names = fs.readdirSync('/etc');
  return ETC_VISIBLE.flatMap((pattern) =>
    pattern.endsWith('*') ? names.filter((name) => name.startsWith(pattern.slice(0, -1))) : [pattern],
  )
    .map((name) => path.join('/etc', name))
    .filter((file) => fs.existsSync(file));
}

function systemCaBundle(): string | null {
  const found = CA_BUNDLES.find((file) => fs.existsSync(file));
  return found === undefined ? null : fs.realpathSync(found);
}

function procEntry(file: string): readonly ProcEntry[] {
  const facts = fs.lstatSync(file, { throwIfNoEntry: false });
  if (facts === undefined) return [];
  return [{ path: file, kind: facts.isDirectory() ? 'directory' : 'file' }];
}
