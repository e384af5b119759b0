import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../kernel/limits.ts';
import type { RequestFacts } from '../policy/decide.ts';
import { keepAlive, type Framing } from '../protocol/http1/framing.ts';
import type { RequestHead } from '../protocol/http1/head.ts';
import { BodyReader } from './body-reader.ts';
import type { GatewayCore } from './core.ts';
import type { Ending, RequestAccount } from './record.ts';
import { sendRefusal, type Refusal } from './refusals.ts';
import { authorityText } from './request.ts';
import type { Wire } from './wire.ts';

/** What becomes of the agent's connection: serve the next request, close it in order, or cut it. */
export type Afterwards = 'next' | 'close' | 'cut';

const CONTINUE = new TextEncoder().encode('HTTP/1.1 100 Continue\r\n\r\n');

export interface AgentSideParts {
  readonly core: GatewayCore;
  readonly agent: Wire;
  readonly head: RequestHead;
  readonly framing: Framing;
  readonly facts: RequestFacts;
  readonly account: RequestAccount;
}

/** The agent's half of one exchange: its body as it comes in, the gateway's own answers, and how it goes on after. */
export class AgentSide {
  readonly wire: Wire;
  /** The agent's body as it comes off the wire; null when the request has none. */
  readonly incoming: BodyReader | null;
  readonly #parts: AgentSideParts;
  /** The agent waits for our word before it sends its body (Expect). */
  #waitsForWord: boolean;

  constructor(parts: AgentSideParts, expectsContinue: boolean) {
    const { agent, framing, core } = parts;
    this.#parts = parts;
    this.wire = agent;
    this.incoming = framing.kind === 'none' ? null : new BodyReader(agent, framing, core.timeouts.idleTimeoutMs);
    this.#waitsForWord = expectsContinue && this.incoming !== null && parts.head.version === '1.1';
  }

  get isHttp10(): boolean {
    return this.#parts.head.version === '1.0';
  }

  /** Asks for the body, where the agent waits to be asked. */
  askForBody(): void {
    if (this.#waitsForWord) this.wire.write(CONTINUE);
    this.#waitsForWord = false;
  }

  /** Whether another request may follow on this connection, as things stand: nothing of this one is left to come. */
  mayKeepAlive(): boolean {
    const { head, core } = this.#parts;
    return keepAlive(head) && !core.draining() && (this.incoming === null || this.incoming.done);
  }

  /** Refuses while nobody else reads the body, and keeps the connection where the rest is short enough to read past. */
  async refuse(refusal: Refusal, ending: Ending): Promise<Afterwards> {
    const { framing, head, core, account } = this.#parts;
    const rest = this.incoming;
    const shortRest = framing.kind === 'length' && framing.length <= LIMITS.discardBytes && !this.#waitsForWord;
    const keep = keepAlive(head) && !core.draining() && (rest === null || rest.done || shortRest);
    this.writeRefusal(refusal, !keep);
    account.end(ending);
    if (!keep || rest === null) return keep ? 'next' : 'close';
    while (!rest.done) if ((await rest.next()).kind === 'broken') return 'cut';
    return 'next';
  }

  writeRefusal(refusal: Refusal, close: boolean): void {
    const { facts, account, core } = this.#parts;
    const url = `${facts.scheme}://${authorityText(facts.scheme, facts.authority)}${facts.target}`;
    const delivery = {
      screen: { known: core.known, tokens: core.tokens.body },
      headRequest: facts.method === 'HEAD',
      close,
    };
    account.status = refusal.status;
    sendRefusal(this.wire, refusal, { method: facts.method, url }, delivery);
  }

  /**
   * The agent has its answer but is still sending, and `upload` reads what it sends: go on for a while, so that the
   * answer is not lost in a reset.
   */
  async outlast(upload: Promise<void>): Promise<Afterwards> {
    const { idleTimeoutMs, discardMs } = this.#parts.core.timeouts;
    const flushed = this.wire.end(idleTimeoutMs);
    const timer = new AbortController();
    const patience = delay(discardMs, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([upload, patience]);
    timer.abort();
    await flushed;
    return 'cut';
  }
}
