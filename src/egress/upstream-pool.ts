import type { Socket } from 'node:net';
import { LIMITS } from '../kernel/limits.ts';
import { ok, type Result } from '../kernel/result.ts';
import type { Permit } from '../policy/permit.ts';
import type { Clock } from '../ports/clock.ts';
import type { Dialer, DialFailure } from '../ports/dialer.ts';
import { Wire, type BufferMeter } from './wire.ts';

/** A connection to an upstream, owned by one request at a time. */
export interface UpstreamConnection {
  readonly wire: Wire;
  readonly key: string;
  readonly generation: number;
  /** True when an earlier request used it: it may have been closed by the upstream just now. */
  readonly reused: boolean;
}

export interface AcquireWish {
  /** Injected credential's slot, or null: connections never change identity (SECURITY S23). */
  readonly credential: number | null;
  /** `new` dials; `any` takes an idle one; `recent` only one that was in use moments ago. */
  readonly reuse: 'new' | 'recent' | 'any';
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
  readonly onDialled?: () => void;
  readonly onReused?: () => void;
}

const SWEEP_MS = 5_000;

/** Idle keep-alive connections, by everything that could make one request's connection unfit for another's. */
export class UpstreamPool implements Disposable {
  readonly #parts: PoolParts;
  readonly #idle = new Map<string, IdleConnection[]>();
  #idleCount = 0;
  readonly #sweeper: NodeJS.Timeout;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#sweeper = setInterval(() => {
      const now = this.#parts.clock.monotonic();
      this.#evict((connection) => connection.until <= now);
    }, SWEEP_MS);
    this.#sweeper.unref();
  }

  async acquire(permit: Permit, wish: AcquireWish): Promise<Result<UpstreamConnection, DialFailure>> {
    const key = poolKey(permit, wish.credential);
    const idle = wish.reuse === 'new' ? undefined : this.#takeIdle(key, wish.reuse);
    if (idle !== undefined) {
      this.#parts.onReused?.();
      return ok({ wire: idle.wire, key, generation: permit.generation, reused: true });
    }
    const dialled = await this.#parts.dialer.dial(permit);
    if (!dialled.ok) return dialled;
    this.#parts.onDialled?.();
    const wire = new Wire(dialled.value, this.#parts.meter);
    return ok({ wire, key, generation: permit.generation, reused: false });
  }

  /** Back for the next request, unless anything about it is out of order. */
  release(connection: UpstreamConnection, idleMs: number = LIMITS.upstreamIdleMs): void {
    const { wire, key, generation } = connection;
    if (!wire.quiet || idleMs <= 0) {
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

  /** Drops idle connections that an older policy allowed. */
  retireBefore(generation: number): void {
    this.#evict((connection) => connection.generation < generation);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweeper);
    this.#evict(() => true);
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
 * SECURITY S23, as far as it applies here: there is no upstream proxy yet, TLS settings and credential versions change
 * only with the generation, and what the agent may bring along is a property of the route.
 */
function poolKey(permit: Permit, credential: number | null): string {
  const { scheme, host, port, resolveTo, routeId, generation } = permit;
  return [scheme, host, port, resolveTo ?? '', routeId, generation, credential ?? ''].join('\n');
}
