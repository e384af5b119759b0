import { createSecureContext, type SecureContext } from 'node:tls';
import { LIMITS } from '../kernel/limits.ts';
import type { LeafMinter } from '../platform/tls-ca.ts';
import type { Clock } from '../ports/clock.ts';

interface Entry {
  readonly context: SecureContext;
  readonly renewAt: number;
}

/**
 * TLS server contexts by name, least recently used first out. A context lives as long as its entry, so a client that
 * comes back resumes its session.
 */
export class LeafContexts {
  readonly #minter: LeafMinter;
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry>();
  minted = 0;

  constructor(minter: LeafMinter, clock: Clock, capacity: number = LIMITS.leafCertificates) {
    this.#minter = minter;
    this.#clock = clock;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `name` is a normalised host name or IP address. */
  contextFor(name: string): SecureContext {
    const known = this.#entries.get(name);
    this.#entries.delete(name);
    const entry = known !== undefined && known.renewAt > this.#clock.now() ? known : this.#mint(name);
    this.#entries.set(name, entry);
    if (this.#entries.size > this.#capacity) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    return entry.context;
  }

  #mint(name: string): Entry {
    this.minted += 1;
    const { certificate, key, renewAt } = this.#minter.mint(name);
    // An empty list of roots: we ask no client for a certificate, and loading the default ones takes time.
    const context = createSecureContext({
      cert: certificate,
      key,
      ca: [],
      minVersion: 'TLSv1.2',
      sessionIdContext: 'bot-bottle',
    });
    return { context, renewAt };
  }
}
