import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Permit } from '../policy/permit.ts';
import type { Clock } from '../ports/clock.ts';
import type { Dialer, DialFailure } from '../ports/dialer.ts';
import { UpstreamSessions, type UpstreamSession } from './h2/upstream-sessions.ts';
import { Wire, type BufferMeter } from './wire.ts';

/** A connection to an upstream, owned by one request at a time. */
export interface UpstreamConnection {
  readonly wire: Wire;
  readonly key: string;
  readonly generation: number;
  /** True when an earlier request used it: it may have been closed by the upstream just now. */
  readonly reused: boolean;
  /** The HTTP/2 connection that this is a stream of; null for one of HTTP/1.1. */
  readonly session: UpstreamSession | null;
}

export interface AcquireWish {
  /** Injected credential's slot, or null: connections never change identity (SECURITY S23). */
  readonly credential: number | null;
  /** `new` dials; `any` takes an idle one; `recent` only one that was in use moments ago. */
  readonly reuse: 'new' | 'recent' | 'any';
  /** For a WebSocket: HTTP/1.1, or a stream of an HTTP/2 connection whose upstream takes them (RFC 8441). */
  readonly webSocket?: boolean;
}

interface IdleConnection {
  readonly wire: Wire;
  readonly generation: number;
  readonly since: number;
  readonly until: number;
}

export interface PoolParts {
  readonly dialer: Dialer<Socket>;
  readonly clock: Clock;
  readonly meter: BufferMeter;
  readonly onDialled?: (dialled: Result<Socket, DialFailure>) => void;
  readonly onReused?: () => void;
}

const SWEEP_MS = 5_000;

/** Idle keep-alive connections, by everything that could make one request's connection unfit for another's. */
export class UpstreamPool implements Disposable {
  readonly #parts: PoolParts;
  readonly #idle = new Map<string, IdleConnection[]>();
  readonly #sessions: UpstreamSessions;
  #idleCount = 0;
  #oldestGeneration = 0;
  readonly #sweeper: NodeJS.Timeout;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#sessions = new UpstreamSessions(parts.meter);
    this.#sweeper = setInterval(() => {
      const now = this.#parts.clock.monotonic();
      this.#evict((connection) => connection.until <= now);
    }, SWEEP_MS);
    this.#sweeper.unref();
  }

  async acquire(permit: Permit, wish: AcquireWish): Promise<Result<UpstreamConnection, DialFailure>> {
    const key = poolKey(permit, wish.credential);
    const kept = this.#takeKept(key, wish);
    if (kept !== undefined) return ok({ ...kept, key, generation: permit.generation, reused: true });
    if (permit.scheme === 'http') return this.#dialHttp1(permit, key);
    if (wish.webSocket === true) return this.#dialWebSocket(permit, key);
    const pending = wish.reuse === 'new' ? undefined : this.#sessions.pending(key);
    if (pending === undefined) return this.#dialEither(permit, key);
    // One connection may do for all who want one now; if it speaks HTTP/1.1 after all, each dials its own.
    await pending;
    const shared = this.#takeKept(key, wish);
    if (shared !== undefined) return ok({ ...shared, key, generation: permit.generation, reused: true });
    return this.#dialEither(permit, key);
  }

  /** Back for the next request, unless anything about it is out of order. */
  release(connection: UpstreamConnection, idleMs: number = LIMITS.upstreamIdleMs): void {
    const { wire, key, generation, session } = connection;
    if (session !== null) {
      wire.destroy();
      if (idleMs <= 0 || generation < this.#oldestGeneration) session.retire();
      return;
    }
    if (!wire.quiet || idleMs <= 0 || generation < this.#oldestGeneration) {
      wire.destroy();
      return;
    }
    if (this.#idleCount >= LIMITS.upstreamIdleConnections) this.#evictOldest();
    const since = this.#parts.clock.monotonic();
    const entry: IdleConnection = { wire, generation, since, until: since + Math.min(idleMs, LIMITS.upstreamIdleMs) };
    const entries = this.#idle.get(key);
    if (entries === undefined) this.#idle.set(key, [entry]);
    else entries.push(entry);
    this.#idleCount += 1;
    wire.onGone = () => {
      this.#evict((other) => other === entry);
    };
  }

  get idleCount(): number {
    return this.#idleCount;
  }

  /** Drops idle connections that an older policy allowed. */
  retireBefore(generation: number): void {
    this.#oldestGeneration = generation;
    this.#evict((connection) => connection.generation < generation);
    this.#sessions.retireBefore(generation);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweeper);
    this.#evict(() => true);
    this.#sessions.destroy();
  }

  #takeKept(key: string, wish: AcquireWish): Pick<UpstreamConnection, 'wire' | 'session'> | undefined {
    if (wish.reuse === 'new') return undefined;
    const maxIdleMs = wish.reuse === 'any' ? LIMITS.upstreamIdleMs : LIMITS.upstreamFreshIdleMs;
    const session = this.#sessions.find(key, maxIdleMs, { webSocket: wish.webSocket === true });
    const kept =
      session === undefined
        ? { wire: this.#takeIdle(key, wish.reuse)?.wire, session: null }
        : { wire: session.openWire(), session };
    const { wire } = kept;
    if (wire === undefined) return undefined;
    this.#parts.onReused?.();
    return { wire, session: kept.session };
  }

  async #dialHttp1(permit: Permit, key: string): Promise<Result<UpstreamConnection, DialFailure>> {
    const dialled = await this.#parts.dialer.dial(permit, ['http/1.1']);
    this.#parts.onDialled?.(dialled);
    return dialled.ok ? ok(this.#connected(permit, key, dialled.value)) : dialled;
  }

  /** Nearly every upstream takes an upgrade; one that speaks HTTP/2 only is asked whether it takes WebSockets there. */
  async #dialWebSocket(permit: Permit, key: string): Promise<Result<UpstreamConnection, DialFailure>> {
    const dialled = await this.#dialHttp1(permit, key);
    if (dialled.ok || dialled.error.otherProtocol !== true) return dialled;
    const either = await this.#dialEither(permit, key);
    if (!either.ok || either.value.session === null || (await either.value.session.takesWebSockets())) return either;
    either.value.wire.destroy();
    const detail = 'the upstream speaks HTTP/2 only, and no WebSocket there (RFC 8441)';
    return err({ status: 502, reason: 'upstream_invalid', detail });
  }

  async #dialEither(permit: Permit, key: string): Promise<Result<UpstreamConnection, DialFailure>> {
    const dialling = this.#parts.dialer.dial(permit, ['h2', 'http/1.1']).then((dialled) => {
      this.#parts.onDialled?.(dialled);
      if (!dialled.ok) return dialled;
      const connection = this.#connected(permit, key, dialled.value);
      if (connection.session === null) this.#sessions.speaksHttp1(key);
      return ok(connection);
    });
    this.#sessions.dialling(key, dialling);
    return dialling;
  }

  #connected(permit: Permit, key: string, socket: Socket): UpstreamConnection {
    const { generation, host } = permit;
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2') {
      const session = this.#sessions.add(key, socket, { generation, host });
      return { wire: session.openWire(), key, generation, reused: false, session };
    }
    const wire = new Wire(socket, this.#parts.meter);
    return { wire, key, generation, reused: false, session: null };
  }

  #takeIdle(key: string, reuse: 'recent' | 'any'): IdleConnection | undefined {
    const now = this.#parts.clock.monotonic();
    for (;;) {
      // The one used last is the one least likely to be closed under our hands.
      const entry = this.#idle.get(key)?.at(-1);
      if (entry === undefined) return undefined;
      if (reuse === 'recent' && now - entry.since > LIMITS.upstreamFreshIdleMs) return undefined;
      this.#remove(key, entry);
      entry.wire.onGone = null;
      // Bytes that nobody asked for belong to no request: such a connection is never used again.
      if (entry.wire.quiet && entry.until > now) return entry;
      entry.wire.destroy();
    }
  }

  #remove(key: string, entry: IdleConnection): void {
    const entries = this.#idle.get(key);
    const index = entries?.lastIndexOf(entry) ?? -1;
    if (entries === undefined || index === -1) return;
    entries.splice(index, 1);
    if (entries.length === 0) this.#idle.delete(key);
    this.#idleCount -= 1;
  }

  #evict(unfit: (connection: IdleConnection) => boolean): void {
    for (const [key, entries] of [...this.#idle]) {
      for (const entry of entries.filter(unfit)) {
        this.#remove(key, entry);
        entry.wire.onGone = null;
        entry.wire.destroy();
      }
    }
  }

  #evictOldest(): void {
    const all = [...this.#idle.values()].flat();
    const oldest = all.reduce<IdleConnection | undefined>(
      (found, entry) => (found === undefined || entry.since < found.since ? entry : found),
      undefined,
    );
    if (oldest !== undefined) this.#evict((entry) => entry === oldest);
  }
}

/**
 * SECURITY S23, as far as it applies here: the upstream proxy, TLS settings and credential versions change only with
 * the generation, and what the agent may bring along is a property of the route.
 */
function poolKey(permit: Permit, credential: number | null): string {
  const { scheme, host, port, resolveTo, routeId, generation } = permit;
  return [scheme, host, port, resolveTo ?? '', routeId, generation, credential ?? ''].join('\n');
}
