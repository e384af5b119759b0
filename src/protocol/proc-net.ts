/**
 * `/proc/net/tcp` and `tcp6` (proc(5)): which user holds the other end of a loopback connection. Counterpart of
 * `egress/peer-guard.ts`.
 */
export interface Endpoint {
  /** IPv4 in dots, or IPv6 as `socket.remoteAddress` gives it. */
  readonly address: string;
  readonly port: number;
}

/** The uid of the socket whose own end is `local` and whose other end is `remote`; null when there is none such. */
export function socketOwner(table: string, local: Endpoint, remote: Endpoint): number | null {
  const locals = spellings(local);
  const remotes = spellings(remote);
  for (const line of table.split('\n')) {
    const [, own = '', other = '', state, , , , uid] = line.trim().split(/\s+/);
    if (state === TIME_WAIT || !locals.includes(own) || !remotes.includes(other)) continue;
    return uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : null;
  }
  return null;
}

/** Its owner has let go of it, and the kernel says 0. */
const TIME_WAIT = '06';

/** As the kernel writes it: 32-bit words in the machine's own order, which is little-endian where we run; hex port. */
function spellings({ address, port }: Endpoint): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const four = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  if (four !== undefined) {
    const word = wordOf(four.split('.').map(Number));
    return [`${word}${suffix}`, `${'0'.repeat(16)}FFFF0000${word}${suffix}`];
  }
  const bytes = sixteenBytes(address);
  if (bytes === null) return [];
  const words = [0, 4, 8, 12].map((at) => wordOf(bytes.slice(at, at + 4)));
  return [`${words.join('')}${suffix}`];
}

function wordOf(bytes: readonly number[]): string {
  return bytes
    .toReversed()
    .map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'))
    .join('');
}

function sixteenBytes(address: string): readonly number[] | null {
  const [head = '', tail, ...more] = address.split('::');
  if (more.length > 0) return null;
  const groups = (text: string): readonly number[] =>
    text === ''
      ? []
      : text.split(':').map((group) => (/^[0-9a-f]{1,4}$/i.test(group) ? parseInt(group, 16) : Number.NaN));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const missing = 8 - before.length - after.length;
  if (missing < 0 || (tail === undefined && missing !== 0)) return null;
  const all = [...before, ...new Array<number>(missing).fill(0), ...after];
  if (all.some((group) => Number.isNaN(group))) return null;
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}
