import fs from 'node:fs';
import { KiB } from '../../kernel/limits.ts';

/**
 * What a bottle uses of memory, summed up from outside where no control group counts it: of each process the
 * proportional set size, which shares pages out among who maps them; what lies in files of memory (memfd, /tmp,
 * /dev/shm, /run), mapped or not. Not seen: System V segments and descriptors in flight that no process holds, and what
 * the kernel keeps for pipes and sockets.
 */
export interface MemoryUse {
  readonly bytes: number;
  /** Null when the bottle has no process any more. */
  readonly largest: { readonly pid: number; readonly bytes: number } | null;
}

/** File systems in memory that the agent can write to; mount points, which it can neither move nor replace. */
const MEMORY_PLACES = ['/tmp', '/dev/shm', '/run'];
const BLOCK_BYTES = 512;

/** Of a bottle, by its first process and all of them. Most of the time the cheap sum is under the limit, and is the answer. */
export function measureMemory(firstPid: number, pids: readonly number[], enoughBytes: number): MemoryUse {
  const each = pids.map((pid) => ({ pid, bytes: proportionalBytes(read(pid, 'smaps_rollup')) }));
  const processes = each.reduce((sum, { bytes }) => sum + bytes, 0);
  const places = MEMORY_PLACES.flatMap((place) => memoryPlace(firstPid, place));
  const files = memoryFiles(pids) + places.reduce((sum, { bytes }) => sum + bytes, 0);
  const largest = each.reduce<MemoryUse['largest']>(
    (one, other) => (other.bytes > (one?.bytes ?? 0) ? other : one),
    null,
  );
  if (processes + files <= enoughBytes) return { bytes: processes + files, largest };
  // Pages of such files that are mapped were counted twice.
  const devices = new Set(places.map(({ device }) => device));
  const twice = pids.reduce((sum, pid) => sum + mappedFileBytes(read(pid, 'smaps'), devices), 0);
  return { bytes: processes + files - twice, largest };
}

/** A process that has just ended uses nothing. One that hides its memory can't: the bottle's namespace is ours. */
function read(pid: number, file: string): string {
  return orNothing(() => fs.readFileSync(`/proc/${String(pid)}/${file}`, 'utf8')) ?? '';
}

function orNothing<Value>(look: () => Value): Value | null {
  try {
    return look();
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}

/** Of `smaps_rollup`. */
export function proportionalBytes(rollup: string): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * KiB;
}

const MAPPING = /^[0-9a-f]+-[0-9a-f]+ \S{4} [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) \d+ *(.*)$/;

/** Of `smaps`: the share of mapped pages that belong to a memfd or to a file on one of the devices (`major:minor`). */
export function mappedFileBytes(smaps: string, devices: ReadonlySet<string>): number {
  let counts = false;
  let sum = 0;
  for (const line of smaps.split('\n')) {
    const [, major = '', minor = '', name = ''] = MAPPING.exec(line) ?? [];
    if (major !== '')
      counts = name.startsWith('/memfd:') || devices.has(deviceName(parseInt(major, 16), parseInt(minor, 16)));
    else if (counts) sum += Number(/^Pss:\s+(\d+) kB$/.exec(line)?.[1] ?? 0) * KiB;
  }
  return sum;
}

function deviceName(major: number, minor: number): string {
  return `${String(major)}:${String(minor)}`;
}

/** Descriptors of memory without a name, each once; a link of `/proc` leads to the file itself and along no path. */
function memoryFiles(pids: readonly number[]): number {
  const seen = new Map<number, number>();
  for (const pid of pids) {
    const directory = `/proc/${String(pid)}/fd`;
    for (const fd of orNothing(() => fs.readdirSync(directory)) ?? []) {
      const link = `${directory}/${fd}`;
      if (orNothing(() => fs.readlinkSync(link))?.startsWith('/memfd:') !== true) continue;
      const facts = orNothing(() => fs.statSync(link));
      if (facts !== null) seen.set(facts.ino, facts.blocks * BLOCK_BYTES);
    }
  }
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}

interface MemoryPlace {
  readonly device: string;
  readonly bytes: number;
}

function memoryPlace(firstPid: number, place: string): readonly MemoryPlace[] {
  const root = `/proc/${String(firstPid)}/root${place}`;
  const found = orNothing(() => ({ use: fs.statfsSync(root), facts: fs.statSync(root) }));
  if (found === null) return [];
  const { use, facts } = found;
  // Linux's own packing of a device number (sysmacros.h).
  const device = deviceName((facts.dev >> 8) & 0xfff, (facts.dev & 0xff) | ((facts.dev >> 12) & 0xfff00));
  return [{ device, bytes: (use.blocks - use.bfree) * use.bsize }];
}
