import fs from 'node:fs';
import path from 'node:path';
import type { Scope } from '../kernel/scope.ts';
import { HOST_UIDS } from '../platform/uid-lock.ts';

/** What the gateway needs to tell the operator's connections from others' (SECURITY S6). */
export interface PeerDescriptors {
  /** A file of one byte: `0` while nobody but the operator and root runs anything on this machine. */
  readonly company: number;
  readonly tcp: number;
  readonly tcp6: number;
  readonly uid: number;
}

const LOOK_MS = 100;

/** Opens the kernel's tables here, where uids are what they are, and keeps looking who else is there. */
export function watchPeers(directory: string, scope: Scope): PeerDescriptors {
  const uid = process.getuid?.() ?? 0;
  const file = path.join(directory, 'company');
  const company = hold(fs.openSync(file, 'w+', 0o600), file, scope);
  const tell = (): void => {
    fs.writeSync(company, hasCompany(uid) ? '1' : '0', 0);
  };
  tell();
  const timer = setInterval(tell, LOOK_MS);
  timer.unref();
  scope.defer('look for company', () => {
    clearInterval(timer);
  });
  const table = (name: string): number => hold(fs.openSync(`/proc/net/${name}`, 'r'), name, scope);
  const tcp = table('tcp');
  // A machine without IPv6 has no such table; the other one stands in for it, since no peer can be in either.
  const tcp6 = fs.existsSync('/proc/net/tcp6') ? table('tcp6') : table('tcp');
  return { company, tcp, tcp6, uid };
}

function hold(descriptor: number, name: string, scope: Scope): number {
  scope.defer(name, () => {
    fs.closeSync(descriptor);
  });
  return descriptor;
}

/** Root could read the credentials anyway; uids of our range are bottles' and services', which have no loopback of the host's. */
function hasCompany(uid: number): boolean {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      const owner = fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? uid;
      const ours = owner >= HOST_UIDS.first && owner < HOST_UIDS.first + HOST_UIDS.count;
      return owner !== uid && owner !== 0 && !ours;
    });
}
