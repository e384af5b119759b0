import fs from 'node:fs';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { socketOwner, type Endpoint } from '../protocol/proc-net.ts';
import type { EgressServiceDocument } from '../schema/egress-service.ts';

/**
 * Who may use a listener on the host's loopback: the operator alone (SECURITY S6). The tables are descriptors that the
 * launcher opened, so they show uids as the launcher sees them; this process, in a user namespace of its own, could not
 * tell one user from another. A look costs the kernel some milliseconds, so it is taken only while there are other users
 * on the machine, and connections that arrive during one look share the next.
 */
export class PeerGuard {
  readonly #peers: NonNullable<EgressServiceDocument['peers']>;
  #next: Promise<readonly string[]> | null = null;
  #current: Promise<unknown> = Promise.resolve();

  constructor(peers: NonNullable<EgressServiceDocument['peers']>) {
    this.#peers = peers;
  }

  /** False for another user's connection, and for one that can't be told. */
  async allows(socket: Socket): Promise<boolean> {
    if (!this.#inCompany()) return true;
    const local = endpoint(socket.remoteAddress, socket.remotePort);
    const remote = endpoint(socket.localAddress, socket.localPort);
    if (local === null || remote === null) return false;
    const tables = await this.#look();
    return tables.some((table) => socketOwner(table, local, remote) === this.#peers.uid);
  }

  /** One byte that the launcher keeps: `0` while nobody else runs anything here. */
  #inCompany(): boolean {
    const byte = Buffer.alloc(1);
    return fs.readSync(this.#peers.company, byte, 0, 1, 0) !== 1 || byte[0] !== ALONE;
  }

  /** A look that begins after now. */
  #look(): Promise<readonly string[]> {
    this.#next ??= this.#current.then(async () => {
      const look = Promise.all([readAll(this.#peers.tcp), readAll(this.#peers.tcp6)]);
      this.#next = null;
      this.#current = look.catch(() => undefined);
      return look;
    });
    return this.#next;
  }
}

const ALONE = 0x30;
const read = promisify(fs.read);
const BLOCK_BYTES = 256 * 1024;

async function readAll(descriptor: number): Promise<string> {
  const blocks: string[] = [];
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; ;) {
    const { bytesRead } = await read(descriptor, block, 0, block.length, at);
    if (bytesRead === 0) return blocks.join('');
    blocks.push(block.toString('latin1', 0, bytesRead));
    at += bytesRead;
  }
}

function endpoint(address: string | undefined, port: number | undefined): Endpoint | null {
  return address === undefined || port === undefined ? null : { address, port };
}
