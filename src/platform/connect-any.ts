import type { Socket } from 'node:net';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { DialFailure } from '../ports/dialer.ts';
import { settled } from './settled-socket.ts';

/** An address with its port: checked, or the operator's own. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * Connects to the first of the addresses that answers (RFC 8305): each gets a head start, and then the next is tried
 * beside it. Only what was given is tried, so every attempt goes to an address that was checked; `open` belongs to the
 * dialer, the one place that connects out.
 */
export async function connectAny(
  endpoints: readonly Endpoint[],
  timeoutMs: number,
  open: (endpoint: Endpoint) => Socket,
): Promise<Result<Socket, DialFailure>> {
  const race = new Race(endpoints, performance.now() + timeoutMs, open);
  return race.run();
}

class Race {
  readonly #waiting: Endpoint[];
  readonly #deadline: number;
  readonly #open = new Set<Socket>();
  #failure: DialFailure = { status: 502, reason: 'upstream_unreachable', detail: 'the name has no address' };
  #headStart: NodeJS.Timeout | undefined;
  #finish: (result: Result<Socket, DialFailure>) => void = () => undefined;

  readonly #dial: (endpoint: Endpoint) => Socket;

  constructor(endpoints: readonly Endpoint[], deadline: number, dial: (endpoint: Endpoint) => Socket) {
    this.#dial = dial;
    this.#waiting = alternating(endpoints);
    this.#deadline = deadline;
  }

  run(): Promise<Result<Socket, DialFailure>> {
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#next();
    });
  }

  #next(): void {
    clearTimeout(this.#headStart);
    const endpoint = this.#waiting.shift();
    if (endpoint === undefined) {
      if (this.#open.size === 0) this.#finish(err(this.#failure));
      return;
    }
    if (this.#waiting.length > 0) {
      this.#headStart = setTimeout(() => {
        this.#next();
      }, LIMITS.connectHeadStartMs);
    }
    const socket = this.#dial(endpoint);
    this.#open.add(socket);
    void settled(socket, 'connect', Math.max(1, this.#deadline - performance.now()), (code) => ({
      status: 502,
      reason: 'upstream_unreachable',
      detail: `connecting failed (${code})`,
    })).then((result) => {
      this.#over(socket, result);
    });
  }

  #over(socket: Socket, result: Result<Socket, DialFailure>): void {
    if (!this.#open.delete(socket)) return;
    if (result.ok) {
      clearTimeout(this.#headStart);
      this.#waiting.length = 0;
      for (const other of this.#open) other.destroy();
      this.#open.clear();
      this.#finish(ok(socket));
      return;
    }
    this.#failure = result.error;
    this.#next();
  }
}

/** The families take turns, the first address deciding which begins: one that leads nowhere costs one head start. */
function alternating(endpoints: readonly Endpoint[]): Endpoint[] {
  const isV6 = ({ address }: Endpoint): boolean => address.includes(':');
  const first = endpoints[0];
  if (first === undefined) return [];
  const leading = endpoints.filter((endpoint) => isV6(endpoint) === isV6(first));
  const other = endpoints.filter((endpoint) => isV6(endpoint) !== isV6(first));
  const order: Endpoint[] = [];
  for (let index = 0; index < Math.max(leading.length, other.length); index += 1) {
    order.push(...leading.slice(index, index + 1), ...other.slice(index, index + 1));
  }
  return order;
}
