import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { BottleError } from '../kernel/errors.ts';

/**
 * Host uids for processes that must not run as root (SECURITY S5, S6b): one for each, from a range that no account
 * uses. What is taken is marked by a listening socket with an abstract name: taking it is one atomic call, whoever's
 * home we work for, it leaves no file, and the kernel gives it back however the holder ends.
 */
export interface HostUid {
  readonly uid: number;
  readonly release: () => Promise<void>;
}

export const HOST_UIDS = { first: 2_000_000, count: 1_000 } as const;

/** Prefers the owner of a tree that is to be used again, so that the host need not walk it to change owners. */
export async function allocateUid(preferred: number | null = null): Promise<HostUid> {
  const inRange = preferred !== null && isOurs(preferred);
  // A look into the tree that has just ended is a process of that user for a moment longer.
  for (let wait = 5; inRange && wait < PREFERRED_WAIT_MS; wait *= 2) {
    const held = await take(preferred, uidsInUse());
    if (held !== null) return held;
    await sleep(wait);
  }
  const busy = uidsInUse();
  for (const uid of candidates()) {
    const held = await take(uid, busy);
    if (held !== null) return held;
  }
  throw new BottleError('resource_unavailable', {
    message: `no host uid is free between ${HOST_UIDS.first} and ${HOST_UIDS.first + HOST_UIDS.count - 1}`,
    hint: 'bot-bottle list active',
  });
}

function isOurs(uid: number): boolean {
  return uid >= HOST_UIDS.first && uid < HOST_UIDS.first + HOST_UIDS.count;
}

const PREFERRED_WAIT_MS = 1_000;

async function take(uid: number, busy: ReadonlySet<number>): Promise<HostUid | null> {
  const mark = busy.has(uid) ? null : await takeMark(uid);
  return mark === null ? null : { uid, release: () => giveBack(mark) };
}

/** From anywhere in the range: the owner of a preserved bottle's work is then rarely taken when that bottle goes on. */
function* candidates(): Generator<number> {
  const start = crypto.randomInt(HOST_UIDS.count);
  for (let offset = 0; offset < HOST_UIDS.count; offset += 1) {
    yield HOST_UIDS.first + ((start + offset) % HOST_UIDS.count);
  }
}

/** Ended, and only waiting to be seen off by its parent: such a one does nothing with its uid. */
function isDead(pid: string): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return true;
    throw failure;
  }
}

function takeMark(uid: number): Promise<net.Server | null> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Server | null>();
  const server = net.createServer((connection) => {
    connection.destroy();
  });
  server.once('error', (failure) => {
    if ('code' in failure && failure.code === 'EADDRINUSE') resolve(null);
    else reject(failure);
  });
  server.listen(`\0bot-bottle/uid/${uid}`, () => {
    resolve(server);
  });
  server.unref();
  return promise;
}

function giveBack(mark: net.Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  mark.close(() => {
    resolve(undefined);
  });
  return promise;
}

/** Accounts of this machine, and owners of processes: another network namespace has marks that can't be seen here. */
function uidsInUse(): ReadonlySet<number> {
  const accounts = fs
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => Number(line.split(':')[2]));
  const owners = fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid, uid: fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? 0 }))
    .filter(({ pid, uid }) => isOurs(uid) && !isDead(pid));
  return new Set([...accounts, ...owners.map(({ uid }) => uid)]);
}
