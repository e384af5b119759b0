import type { Socket as UdpSocket, RemoteInfo } from 'node:dgram';
import type { Socket } from 'node:net';
import { LIMITS } from '../kernel/limits.ts';
import { BUNDLE_ADDRESS, BUNDLE_NAMES } from '../schema/plan.ts';
import {
  DNS_CLASS_IN,
  DNS_TYPE_A,
  parseQuestion,
  writeAnswer,
  type DnsAnswer,
  type DnsQuestion,
} from './dns-message.ts';

export interface DnsParts {
  /** True when the live policy has a route for this name; asked anew for each question. */
  readonly allows: (name: string) => boolean;
  readonly onQuery: (refused: boolean) => void;
}

/** Answers from the policy alone: nothing is ever asked of another server, so a question carries nothing out (G-NET). */
export class DnsAnswerer {
  readonly #parts: DnsParts;
  readonly #connections = new Set<Socket>();

  constructor(parts: DnsParts) {
    this.#parts = parts;
  }

  serveUdp(socket: UdpSocket): void {
    socket.on('message', (message: Buffer, peer: RemoteInfo) => {
      const answer = this.answer(message);
      if (answer === null) return;
      // An answer that can't be delivered is the asker's loss; the question comes again.
      socket.send(answer, peer.port, peer.address, () => undefined);
    });
  }

  serveTcp(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.#connections.size >= LIMITS.dnsTcpConnections) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.setTimeout(LIMITS.dnsTcpIdleMs, () => socket.destroy());
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const answer = this.answer(pending.subarray(2, end));
        pending = pending.subarray(end);
        if (answer === null) {
          socket.destroy();
          return;
        }
        const prefix = Buffer.alloc(2);
        prefix.writeUInt16BE(answer.length);
        // A peer that asks and never reads is cut off rather than buffered for.
        if (!socket.write(Buffer.concat([prefix, answer]))) socket.destroy();
      }
      if (pending.length > LIMITS.dnsMessageBytes) socket.destroy();
    });
  }

  /** Null for what is not a question: it gets no answer at all. */
  answer(message: Uint8Array): Uint8Array | null {
    if (message.length > LIMITS.dnsMessageBytes) return null;
    const question = parseQuestion(message);
    if (question === null) return null;
    const answer = this.#decide(question);
    this.#parts.onQuery(answer.kind === 'no-name');
    return writeAnswer(question, answer);
  }

  [Symbol.dispose](): void {
    for (const socket of this.#connections) socket.destroy();
  }

  #decide(question: DnsQuestion): DnsAnswer {
    const name = question.name.toLowerCase();
    const known = BUNDLE_NAMES.some((own) => own === name) || this.#parts.allows(name);
    if (!known || question.class !== DNS_CLASS_IN) return { kind: 'no-name' };
    // Every type but A has no data (SECURITY S24): programs fall back to A at once, and HTTPS or SVCB records,
    // which could carry encrypted client hello keys, do not exist.
    if (question.type !== DNS_TYPE_A) return { kind: 'no-data' };
    return { kind: 'address', address: BUNDLE_ADDRESS, ttlSeconds: LIMITS.dnsTtlSeconds };
  }
}
