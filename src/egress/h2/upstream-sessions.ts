import type { ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { LIMITS } from '../../kernel/limits.ts';
import { startHttp2 } from '../../platform/http2-client.ts';
import { Wire, type BufferMeter } from '../wire.ts';
import { UpstreamStream } from './upstream-stream.ts';

/** One HTTP/2 connection to an upstream, shared by requests that the pool's key makes alike. */
export class UpstreamSession {
  readonly generation: number;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #meter: BufferMeter;
  readonly #onUnfit: () => void;
  #streams = 0;
  #idleSince: number | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  #retired = false;
  #settled = false;
  readonly #settings = Promise.withResolvers<undefined>();

  constructor(socket: Socket, parts: { generation: number; host: string; meter: BufferMeter; onUnfit: () => void }) {
    this.generation = parts.generation;
    this.#meter = parts.meter;
    this.#onUnfit = parts.onUnfit;
    this.#socket = socket;
    this.#session = startHttp2(socket, parts.host);
    this.#session.on('error', this.#leave);
    this.#session.on('goaway', this.#leave);
    this.#session.on('close', this.#leave);
    this.#session.once('remoteSettings', () => {
      this.#settled = true;
      this.#settings.resolve(undefined);
    });
    this.#rest();
  }

  /** Whether one more request fits. */
  get open(): boolean {
    const { maxConcurrentStreams = LIMITS.http2Streams } = this.#session.remoteSettings;
    return (
      !this.#retired && !this.#session.closed && this.#streams < Math.min(maxConcurrentStreams, LIMITS.http2Streams)
    );
  }

  /** Milliseconds without a stream; 0 while there is one. */
  idleMs(now: number): number {
    return this.#idleSince === null ? 0 : now - this.#idleSince;
  }

  /** Once it has said what it takes. */
  async takesWebSockets(): Promise<boolean> {
    if (!this.#settled && !this.#retired) await this.#settings.promise;
    return this.webSockets;
  }

  /** It has said so by now (RFC 8441, 3). */
  get webSockets(): boolean {
    return this.#session.remoteSettings.enableConnectProtocol === true;
  }

  openWire(): Wire {
    this.#streams += 1;
    this.#idleSince = null;
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    const stream = new UpstreamStream(this.#session);
    stream.once('close', () => {
      this.#streams -= 1;
      if (this.#streams > 0) return;
      if (this.#retired) this.#close();
      else this.#rest();
    });
    return new Wire(stream, this.#meter);
  }

  /**
   * Takes no more requests; those under way go on, and the last of them ends it. A GOAWAY before that would overtake the
   * heads of requests that were asked for in this turn, and the upstream would not serve them.
   */
  retire(): void {
    this.#leave();
    if (this.#streams === 0) this.#close();
  }

  destroy(): void {
    this.#leave();
    this.#session.destroy();
  }

  /** In order, and then in any case: nothing is heard of a last write to an upstream that went in its middle. */
  #close(): void {
    this.#session.close();
    if (this.#socket.destroyed) return;
    const timer = setTimeout(() => {
      this.#socket.destroy();
    }, LIMITS.discardMs);
    timer.unref();
    this.#socket.once('close', () => {
      clearTimeout(timer);
    });
  }

  #rest(): void {
    if (this.#session.destroyed) return;
    this.#idleSince = performance.now();
    this.#idleTimer = setTimeout(() => {
      this.retire();
    }, LIMITS.upstreamIdleMs);
    this.#idleTimer.unref();
  }

  readonly #leave = (): void => {
    if (this.#retired) return;
    this.#retired = true;
    this.#settings.resolve(undefined);
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#onUnfit();
  };
}

/** The HTTP/2 connections of a pool, and which upstreams were seen to speak it. */
export class UpstreamSessions {
  readonly #meter: BufferMeter;
  readonly #byKey = new Map<string, UpstreamSession[]>();
  /** Dials whose protocol is not known yet: requests for the same upstream wait for it rather than dial beside it. */
  readonly #dialling = new Map<string, Promise<unknown>>();
  readonly #http1 = new Set<string>();

  constructor(meter: BufferMeter) {
    this.#meter = meter;
  }

  /** `maxIdleMs`: what may not be sent twice takes only a connection that was in use moments ago. */
  find(key: string, maxIdleMs: number, { webSocket }: { readonly webSocket: boolean }): UpstreamSession | undefined {
    const now = performance.now();
    const fits = (session: UpstreamSession): boolean =>
      session.open && session.idleMs(now) <= maxIdleMs && (!webSocket || session.webSockets);
    return this.#byKey.get(key)?.find(fits);
  }

  /** The dial that is under way for that key, unless the upstream is known to speak HTTP/1.1 only. */
  pending(key: string): Promise<unknown> | undefined {
    return this.#http1.has(key) ? undefined : this.#dialling.get(key);
  }

  dialling(key: string, dial: Promise<unknown>): void {
    if (this.#http1.has(key) || this.#dialling.has(key)) return;
    this.#dialling.set(key, dial);
    const forget = (): void => {
      this.#dialling.delete(key);
    };
    dial.then(forget, forget);
  }

  speaksHttp1(key: string): void {
    if (this.#http1.size >= LIMITS.leafCertificates) this.#http1.clear();
    this.#http1.add(key);
  }

  add(key: string, socket: Socket, { generation, host }: { generation: number; host: string }): UpstreamSession {
    const onUnfit = (): void => {
      const rest = (this.#byKey.get(key) ?? []).filter((other) => other !== session);
      if (rest.length === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, rest);
    };
    const session = new UpstreamSession(socket, { generation, host, meter: this.#meter, onUnfit });
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), session]);
    return session;
  }

  retireBefore(generation: number): void {
    for (const session of this.#all()) if (session.generation < generation) session.retire();
  }

  destroy(): void {
    for (const session of this.#all()) session.destroy();
  }

  #all(): readonly UpstreamSession[] {
    return [...this.#byKey.values()].flat();
  }
}
