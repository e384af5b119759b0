import fs from 'node:fs';
import type { Socket } from 'node:net';
import { socketOwner } from '../protocol/proc-net.ts';

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const;

/**
 * Who holds the other end of a loopback connection, by the kernel's own account; null where it can't be told. For a
 * listener of an unsandboxed process that few connect to: each look reads the whole table.
 */
export function loopbackPeer(socket: Socket): number | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return null;
  if (localAddress === undefined || localPort === undefined) return null;
  const theirs = { address: remoteAddress, port: remotePort };
  const ours = { address: localAddress, port: localPort };
  for (const table of TABLES) {
    if (!fs.existsSync(table)) continue;
    const owner = socketOwner(fs.readFileSync(table, 'latin1'), theirs, ours);
    if (owner !== null) return owner;
  }
  return null;
}
