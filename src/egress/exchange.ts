import { setTimeout as delay } from 'node:timers/promises';
import type { Finding } from '../dlp/known-values.ts';
import { LIMITS } from '../kernel/limits.ts';
import { reveal } from '../platform/reveal.ts';
import { injectCredential } from '../policy/credentials.ts';
import { decideEgress, type RequestFacts, type Verdict } from '../policy/decide.ts';
import type { DialFailure } from '../ports/dialer.ts';
import { keepAlive, type Framing } from '../protocol/http1/framing.ts';
import { serialiseRequestHead, type RequestHead } from '../protocol/http1/head.ts';
import { relayAnswer, type AnswerOutcome } from './answer.ts';
import { BodyReader } from './body-reader.ts';
import type { ActiveRequest, Credential, GatewayCore } from './core.ts';
import { headerTokens, upstreamHeaders } from './headers.ts';
import {
  HeldBody,
  requestCoding,
  scanHead,
  ScannedBody,
  UnscannedBody,
  type OutboundBody,
  type OutboundStep,
} from './outbound.ts';
import type { Ending, RequestAccount } from './record.ts';
import { gatewayRefusal, sendRefusal, type Refusal } from './refusals.ts';
import { authorityText } from './request.ts';
import { findingsRefusal, sendRequest, stepRefusal, type UploadOutcome } from './upload.ts';
import type { UpstreamConnection } from './upstream-pool.ts';
import { WireError, type Wire } from './wire.ts';

/** What becomes of the agent's connection: serve the next request, close it in order, or cut it. */
export type Afterwards = 'next' | 'close' | 'cut';

type Allowed = Extract<Verdict, { readonly kind: 'allow' }>;

/** Why a request that was under way was broken off, by us or by the agent. */
type Halt =
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly findings: readonly Finding[] }
  | { readonly kind: 'agent-gone' };

export interface ExchangeParts {
  readonly core: GatewayCore;
  readonly agent: Wire;
  readonly head: RequestHead;
  readonly framing: Framing;
  readonly facts: RequestFacts;
  readonly account: RequestAccount;
}

const CONTINUE = new TextEncoder().encode('HTTP/1.1 100 Continue\r\n\r\n');
/** RFC 9110, 9.2.2: sending one of these twice does what sending it once does. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** One request and its answer: decide, scan, record, dial, splice, record. */
export class Exchange implements ActiveRequest {
  readonly facts: RequestFacts;
  readonly #core: GatewayCore;
  readonly #agent: Wire;
  readonly #head: RequestHead;
  readonly #framing: Framing;
  readonly #account: RequestAccount;
  /** The agent's body as it comes off the wire; null when the request has none. */
  readonly #incoming: BodyReader | null;
  #body: OutboundBody | null = null;
  #route: string | null = null;
  #upstream: UpstreamConnection | null = null;
  #upload: Promise<void> | null = null;
  #uploaded: UploadOutcome | null = null;
  #halt: Halt | null = null;
  /** False while the agent waits for our word (Expect) before it sends its body. */
  #bodyComing = true;
  #answerBegun = false;
  #keepsAlive = false;
  #discarding = false;

  constructor(parts: ExchangeParts) {
    this.facts = parts.facts;
    this.#core = parts.core;
    this.#agent = parts.agent;
    this.#head = parts.head;
    this.#framing = parts.framing;
    this.#account = parts.account;
    const hasBody = parts.framing.kind !== 'none';
    this.#incoming = hasBody ? new BodyReader(parts.agent, parts.framing, parts.core.timeouts.idleTimeoutMs) : null;
  }

  /** Serves the request to its end; both record lines have been written when it resolves. */
  async run(): Promise<Afterwards> {
    this.#agent.onGone = () => {
      this.#break({ kind: 'agent-gone' });
    };
    this.#core.active.add(this);
    try {
      return await this.#serve();
    } catch (failure) {
      if (!(failure instanceof WireError)) throw failure;
      // Only the agent's own connection fails up here: it is gone, or silent for too long.
      return this.#loseAgent();
    } finally {
      this.#core.active.delete(this);
      this.#agent.onGone = null;
      this.#account.end('refused_midway');
    }
  }

  /** A reload refused what the old policy had allowed. */
  revoke(verdict: Extract<Verdict, { readonly kind: 'deny' }>): void {
    this.#break({ kind: 'refused', refusal: verdict, findings: [] });
  }

  async #serve(): Promise<Afterwards> {
    const verdict = decideEgress(this.#core.live().policy, this.facts);
    if (verdict.kind === 'deny') return this.#refuse(verdict);
    this.#route = verdict.route.id;

    const findings = verdict.forward.outbound.knownSecrets ? scanHead(this.#core.known, this.facts) : [];
    if (findings.length > 0) return this.#refuse(findingsRefusal(findings, this.#route), findings);
    const credential = this.#credentialFor(verdict);
    if (credential === undefined) {
      return this.#refuse(
        gatewayRefusal(403, 'credential_missing', "the route's credential has no value", this.#route),
      );
    }
    const refused = this.#openBody(verdict);
    if (refused !== null) return this.#refuse(refused);

    // The head waits with the first block of the body (SECURITY S17): a value found there keeps both from leaving.
    const first = this.#body === null ? null : await this.#body.next();
    const halted = this.#halted();
    if (halted !== null) return halted.kind === 'refused' ? this.#refuse(halted.refusal) : this.#loseAgent();
    const unfit = stepRefusal(first, this.#route);
    if (unfit !== null) return this.#refuse(unfit.refusal, unfit.findings);

    const decision = { decision: 'allow', reason: 'allowed', route: this.#route } as const;
    if (!this.#account.decide(decision)) return this.#refuseUnrecorded();
    return this.#forward(verdict, credential, first);
  }

  /** Null: none is put in. Undefined: one should be, and is not there. */
  #credentialFor(verdict: Allowed): Credential | null | undefined {
    const { inject } = verdict.forward;
    return inject === null ? null : this.#core.credentials[inject.slot];
  }

  /** Prepares the body's way out and asks the agent for it where it waits to be asked. */
  #openBody(verdict: Allowed): Refusal | null {
    const expected = headerTokens(this.facts.headers, 'expect');
    this.#bodyComing = expected.length === 0;
    if (expected.some((token) => token !== '100-continue')) {
      return gatewayRefusal(417, 'bad_request', 'the expectation is not known', this.#route);
    }
    if (this.#incoming === null) return null;
    const coding = requestCoding(this.facts.headers);
    if (!verdict.forward.outbound.knownSecrets) this.#body = new UnscannedBody(this.#incoming);
    else if (coding.kind === 'identity') this.#body = new ScannedBody(this.#incoming, this.#core.known);
    else if (coding.kind === 'coded') {
      this.#body = new HeldBody(this.#incoming, this.#core.known, coding.coding, this.#core.hold);
    } else {
      return gatewayRefusal(403, 'unscannable', 'the content coding is not one that can be scanned', this.#route);
    }
    if (!this.#bodyComing && this.#head.version === '1.1') this.#agent.write(CONTINUE);
    this.#bodyComing = true;
    return null;
  }

  async #forward(verdict: Allowed, credential: Credential | null, first: OutboundStep | null): Promise<Afterwards> {
    const head = this.#requestHead(verdict, credential);
    const slot = verdict.forward.inject?.slot ?? null;
    const idempotent = IDEMPOTENT.has(this.facts.method);
    const repeatable = idempotent && (this.#body === null || this.#body.finished);
    let reuse: 'new' | 'recent' | 'any' = idempotent ? 'any' : 'recent';
    for (;;) {
      const acquired = await this.#core.pool.acquire(verdict.permit, { credential: slot, reuse });
      if (!acquired.ok) return this.#halted() === null ? this.#failDial(acquired.error) : this.#settleHalt();
      this.#account.connected();
      if (this.#halted() !== null) {
        this.#core.pool.release(acquired.value);
        return this.#settleHalt();
      }
      const outcome = await this.#converse(acquired.value, head, first, credential);
      const unheard = outcome.kind === 'none' && outcome.unheard;
      // An idle connection can be closed by the upstream at the very moment we take it.
      if (unheard && acquired.value.reused && repeatable && this.#halted() === null) {
        acquired.value.wire.destroy();
        await this.#upload;
        reuse = 'new';
        continue;
      }
      return this.#finish(acquired.value, outcome);
    }
  }

  /** Both halves at once: an upstream may answer before it has read everything. */
  async #converse(
    connection: UpstreamConnection,
    head: Uint8Array,
    first: OutboundStep | null,
    credential: Credential | null,
  ): Promise<AnswerOutcome> {
    this.#upstream = connection;
    this.#uploaded = null;
    this.#upload = sendRequest({
      upstream: connection.wire,
      head,
      body: this.#body,
      first,
      framing: this.#framing,
      account: this.#account,
      route: this.#route,
      idleTimeoutMs: this.#core.timeouts.idleTimeoutMs,
      discarding: () => this.#discarding,
    }).then((uploaded) => {
      this.#uploaded = uploaded;
      if (uploaded.kind === 'refused' || uploaded.kind === 'agent-gone') this.#break(uploaded);
    });
    const outcome = await relayAnswer({
      upstream: connection.wire,
      agent: this.#agent,
      account: this.#account,
      timeouts: this.#core.timeouts,
      method: this.facts.method,
      agentIsHttp10: this.#head.version === '1.0',
      mayKeepAlive: () => (this.#keepsAlive = this.#mayKeepAlive()),
      mask: credential?.mask ?? null,
      onBegun: () => {
        this.#answerBegun = true;
      },
    });
    this.#upstream = null;
    return outcome;
  }

  #requestHead(verdict: Allowed, credential: Credential | null): Uint8Array {
    const { forward } = verdict;
    const { target, headers } =
      credential === null || forward.inject === null
        ? forward
        : injectCredential(forward, forward.inject, reveal(credential.secret, 'inject'));
    const authority = authorityText(this.facts.scheme, this.facts.authority);
    return serialiseRequestHead(this.facts.method, target, upstreamHeaders(headers, this.#framing, authority));
  }

  async #finish(connection: UpstreamConnection, outcome: AnswerOutcome): Promise<Afterwards> {
    const sentWhole = this.#uploaded?.kind === 'complete';
    if (this.#halted() === null && outcome.kind === 'complete' && sentWhole) {
      this.#core.pool.release(connection, outcome.idleMs);
      this.#account.end('complete');
      return this.#keepsAlive ? 'next' : 'close';
    }
    connection.wire.destroy();
    if (this.#halted() !== null) return this.#settleHalt();
    switch (outcome.kind) {
      case 'complete':
        this.#account.end('complete');
        return this.#discardRest();
      case 'none':
        return this.#failUpstream(outcome, sentWhole);
      case 'cut':
        this.#account.end(outcome.by === 'agent' ? 'agent_gone' : 'upstream_cut');
        return 'cut';
    }
  }

  async #failUpstream(
    outcome: Extract<AnswerOutcome, { readonly kind: 'none' }>,
    sentWhole: boolean,
  ): Promise<Afterwards> {
    const reason = (
      { closed: 'upstream_unreachable', invalid: 'upstream_invalid', timeout: 'upstream_timeout' } as const
    )[outcome.why];
    const refusal = gatewayRefusal(outcome.why === 'timeout' ? 504 : 502, reason, outcome.detail, this.#route);
    this.#account.revise({ decision: 'allow', reason, route: this.#route });
    if (sentWhole) return this.#answerRefusal(refusal, 'complete');
    this.#writeRefusal(refusal, true);
    this.#account.end('complete');
    return this.#discardRest();
  }

  #failDial(failure: DialFailure): Promise<Afterwards> {
    const decision = failure.status === 403 ? 'deny' : 'allow';
    this.#account.revise({ decision, reason: failure.reason, route: this.#route });
    return this.#answerRefusal(gatewayRefusal(failure.status, failure.reason, failure.detail, this.#route), 'complete');
  }

  /** The request was broken off; the agent hears why if it has heard nothing yet. */
  async #settleHalt(): Promise<Afterwards> {
    const halt = this.#halt;
    if (halt?.kind !== 'refused') return this.#loseAgent();
    this.#account.found(halt.findings);
    this.#account.revise({ decision: 'deny', reason: halt.refusal.reason, route: this.#route });
    if (!this.#answerBegun) this.#writeRefusal(halt.refusal, true);
    this.#account.end('refused_midway');
    if (this.#answerBegun) return 'cut';
    return this.#uploaded === null && this.#upload !== null ? this.#discardRest() : 'close';
  }

  #loseAgent(): Afterwards {
    // A request whose agent went before it was decided has gone nowhere; its lines say so.
    if (!this.#account.decided) this.#account.decide({ decision: 'deny', reason: 'bad_request', route: this.#route });
    this.#account.end('agent_gone');
    return 'cut';
  }

  #refuse(refusal: Refusal, findings: readonly Finding[] = []): Promise<Afterwards> {
    this.#account.found(findings);
    const decision = { decision: 'deny', reason: refusal.reason, route: refusal.route } as const;
    return this.#account.decide(decision) ? this.#answerRefusal(refusal, 'complete') : this.#refuseUnrecorded();
  }

  #refuseUnrecorded(): Promise<Afterwards> {
    this.#account.revise({ decision: 'deny', reason: 'record_failed', route: this.#route });
    const refusal = gatewayRefusal(503, 'record_failed', 'the decision could not be recorded', this.#route);
    return this.#answerRefusal(refusal, 'complete');
  }

  /** Refuses, and keeps the connection where the rest of the request is short enough to read past. */
  async #answerRefusal(refusal: Refusal, ending: Ending): Promise<Afterwards> {
    const rest = this.#incoming;
    const shortRest =
      this.#framing.kind === 'length' && this.#framing.length <= LIMITS.discardBytes && this.#bodyComing;
    const keep = keepAlive(this.#head) && !this.#core.draining() && (rest === null || rest.done || shortRest);
    this.#writeRefusal(refusal, !keep);
    this.#account.end(ending);
    if (!keep || rest === null) return keep ? 'next' : 'close';
    while (!rest.done) if ((await rest.next()).kind === 'broken') return 'cut';
    return 'next';
  }

  #writeRefusal(refusal: Refusal, close: boolean): void {
    const { facts } = this;
    const url = `${facts.scheme}://${authorityText(facts.scheme, facts.authority)}${facts.target}`;
    const delivery = { known: this.#core.known, headRequest: facts.method === 'HEAD', close };
    this.#account.status = refusal.status;
    sendRefusal(this.#agent, refusal, { method: facts.method, url }, delivery);
  }

  /** The agent has its answer but is still sending: read on for a while, so that the answer is not lost in a reset. */
  async #discardRest(): Promise<Afterwards> {
    this.#discarding = true;
    const flushed = this.#agent.end(this.#core.timeouts.idleTimeoutMs);
    const timer = new AbortController();
    const patience = delay(this.#core.timeouts.discardMs, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([this.#upload, patience]);
    timer.abort();
    await flushed;
    return 'cut';
  }

  #mayKeepAlive(): boolean {
    return keepAlive(this.#head) && !this.#core.draining() && (this.#incoming === null || this.#incoming.done);
  }

  #halted(): Halt | null {
    return this.#halt;
  }

  #break(halt: Halt): void {
    this.#halt ??= halt;
    this.#upstream?.wire.destroy();
  }
}
