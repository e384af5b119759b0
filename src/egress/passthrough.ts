import { LIMITS } from '../kernel/limits.ts';
import { decideEgress, type RequestFacts } from '../policy/decide.ts';
import { normaliseHost } from '../policy/host.ts';
import { parseClientHello } from '../protocol/client-hello.ts';
import { asksForRetry, firstMessageEnd, leadingCipherSpecs } from '../protocol/first-flight.ts';
import type { Reason } from '../schema/decision.ts';
import type { ActiveRequest, GatewayCore } from './core.ts';
import type { RequestAccount } from './record.ts';
import type { Authority } from './request.ts';
import { Wire, WireError } from './wire.ts';

export const TRANSPARENT_TLS_PORT = 443;

export interface PassedFlight {
  readonly sni: string | null;
  readonly ech: boolean;
  /** Where the agent's CONNECT led; null for a connection that came transparently. */
  readonly connect: Authority | null;
}

/** Why a connection is not, or no longer, passed on. */
interface Stop {
  readonly reason: Reason;
  readonly why: string;
}

/**
 * Passes a TLS connection on without opening it (SECURITY S24): its name, address and byte counts are all that is known
 * of it. Both hellos of a retried handshake are read, since a server goes by the second.
 */
export async function passThrough(core: GatewayCore, wire: Wire, flight: PassedFlight): Promise<void> {
  const authority = flight.connect ?? { host: flight.sni ?? '', port: TRANSPARENT_TLS_PORT };
  const { sni, connect } = flight;
  const facts: RequestFacts = {
    entry: connect === null ? 'transparent-tls' : 'connect',
    scheme: 'https',
    authority,
    connect,
    sni,
    method: 'GET',
    target: '/',
    headers: [],
    sealed: true,
  };
  const { generation, log } = core.live().config;
  const account = core.recorder.begin({
    generation,
    log,
    protocol: 'tls',
    entry: facts.entry,
    method: 'CONNECT',
    ...authority,
    path: '',
  });
  const passage = new Passage(core, wire, facts, account);
  core.active.add(passage);
  try {
    await passage.run(flight);
  } finally {
    core.active.delete(passage);
  }
}

class Passage implements ActiveRequest {
  readonly facts: RequestFacts;
  readonly #core: GatewayCore;
  readonly #agent: Wire;
  readonly #account: RequestAccount;
  #upstream: Wire | null = null;
  #route: string | null = null;
  #stopped: Stop | null = null;
  #lastMoved = performance.now();

  constructor(core: GatewayCore, agent: Wire, facts: RequestFacts, account: RequestAccount) {
    this.#core = core;
    this.#agent = agent;
    this.facts = facts;
    this.#account = account;
  }

  revoke(verdict: { readonly reason: Reason; readonly detail: string }, generation: number): void {
    if (this.#stopped === null) this.#account.judgedBy(generation);
    this.#stop({ reason: verdict.reason, why: verdict.detail });
  }

  async run({ sni, ech }: PassedFlight): Promise<void> {
    const verdict = decideEgress(this.#core.live().policy, this.facts);
    this.#route = verdict.kind === 'allow' ? verdict.route.id : verdict.route;
    const refused = verdict.kind === 'deny' ? verdict.reason : ech || sni === null ? 'passthrough_refused' : null;
    if (refused !== null || verdict.kind === 'deny') {
      this.#refuse(refused ?? 'passthrough_refused');
      return;
    }
    if (!this.#account.decide({ decision: 'allow', reason: 'allowed', route: this.#route }))
      return void this.#end('complete');
    const dialled = await this.#core.dialer.dial(verdict.permit);
    if (!dialled.ok) {
      const decision = dialled.error.status === 403 ? 'deny' : 'allow';
      this.#account.revise({ decision, reason: dialled.error.reason, route: this.#route });
      return void this.#end('complete');
    }
    using upstream = new Wire(dialled.value, this.#core.meter);
    this.#upstream = upstream;
    if (this.#stopped !== null) upstream.destroy();
    this.#account.connected();
    await this.#splice(upstream, sni ?? '');
  }

  #refuse(reason: Reason): void {
    this.#account.decide({ decision: 'deny', reason, route: this.#route });
    this.#end('complete');
  }

  async #splice(upstream: Wire, name: string): Promise<void> {
    try {
      await this.#greet(upstream, name);
      this.#account.status = 200;
      await Promise.all([
        this.#pump(this.#agent, upstream, 'sentBytes'),
        this.#pump(upstream, this.#agent, 'receivedBytes'),
      ]);
      this.#end('complete');
    } catch (failure) {
      if (!(failure instanceof WireError)) throw failure;
      if (this.#stopped === null) return void this.#end(this.#agent.gone ? 'agent_gone' : 'upstream_cut');
      this.#account.revise({ decision: 'deny', reason: this.#stopped.reason, route: this.#route });
      this.#end('refused_midway');
    }
  }

  /** Nothing but the first hello leaves before the server has answered; a second hello is read like the first. */
  async #greet(upstream: Wire, name: string): Promise<void> {
    const hello = await this.#readWhole(this.#agent, (bytes) => firstMessageEnd(bytes));
    await this.#send(upstream, hello, 'sentBytes');
    let answer = Buffer.alloc(0);
    let retry: boolean | null = null;
    while (retry === null) {
      const more = await upstream.read(this.#core.timeouts.upstreamFirstByteTimeoutMs);
      if (more === null) break;
      this.#account.firstByte();
      answer = Buffer.concat([answer, more]);
      retry = asksForRetry(answer);
    }
    await this.#send(this.#agent, answer, 'receivedBytes');
    if (retry !== true) return;
    const second = await this.#readWhole(this.#agent, (bytes) => {
      const skipped = leadingCipherSpecs(bytes);
      const end = firstMessageEnd(bytes.subarray(skipped));
      return end === null || end === -1 ? end : skipped + end;
    });
    const parsed = parseClientHello(second.subarray(leadingCipherSpecs(second)));
    if (parsed.kind !== 'client-hello' || parsed.ech || !sameName(parsed.sni, name)) {
      this.#stop({ reason: 'passthrough_refused', why: 'the second client hello is another one than the first' });
      throw new WireError('gone');
    }
    await this.#send(upstream, second, 'sentBytes');
  }

  /** As many bytes as the end says, and the rest back on the wire. */
  async #readWhole(wire: Wire, endOf: (bytes: Buffer) => number | null): Promise<Buffer> {
    let bytes = Buffer.alloc(0);
    for (;;) {
      const end = endOf(bytes);
      if (end === -1 || bytes.length > 2 * LIMITS.clientHelloBytes) {
        this.#stop({ reason: 'passthrough_refused', why: 'the client hello shares its record with something else' });
        throw new WireError('gone');
      }
      if (end !== null) {
        wire.unread(bytes.subarray(end));
        return bytes.subarray(0, end);
      }
      const more = await wire.read(this.#core.timeouts.firstBytesTimeoutMs);
      if (more === null) throw new WireError('gone');
      bytes = Buffer.concat([bytes, more]);
    }
  }

  async #pump(from: Wire, to: Wire, count: 'sentBytes' | 'receivedBytes'): Promise<void> {
    try {
      for (;;) {
        const block = await this.#readPatiently(from);
        if (block === null) break;
        await this.#send(to, block, count);
      }
      await to.end(this.#core.timeouts.idleTimeoutMs);
    } catch (failure) {
      // Neither half goes on without the other.
      from.destroy();
      to.destroy();
      throw failure;
    }
  }

  /** One direction may be silent as long as the other one is not. */
  async #readPatiently(from: Wire): Promise<Buffer | null> {
    const { idleTimeoutMs } = this.#core.timeouts;
    for (;;) {
      try {
        return await from.read(idleTimeoutMs);
      } catch (failure) {
        const timedOut = failure instanceof WireError && failure.kind === 'timeout';
        if (!timedOut || performance.now() - this.#lastMoved >= idleTimeoutMs) throw failure;
      }
    }
  }

  async #send(to: Wire, block: Uint8Array, count: 'sentBytes' | 'receivedBytes'): Promise<void> {
    this.#lastMoved = performance.now();
    this.#account[count] += block.length;
    if (block.length > 0 && !to.write(block)) await to.drained(this.#core.timeouts.idleTimeoutMs);
  }

  #stop(stop: Stop): void {
    this.#stopped ??= stop;
    this.#agent.destroy();
    this.#upstream?.destroy();
  }

  #end(ended: Parameters<RequestAccount['end']>[0]): void {
    this.#account.end(ended);
  }
}

function sameName(sni: string | null, name: string): boolean {
  const normal = sni === null ? null : normaliseHost(sni);
  return normal?.ok === true && normal.value === name;
}
