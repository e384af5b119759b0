import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Hit } from '../dlp/screen.ts';
import { decideEgress, type RequestFacts, type Verdict } from '../policy/decide.ts';
import type { DialFailure } from '../ports/dialer.ts';
import type { Framing } from '../protocol/http1/framing.ts';
import { AgentSide, type Afterwards, type AgentSideParts } from './agent-side.ts';
import { FAILURE_REASONS, relayAnswer, type AnswerOutcome } from './answer.ts';
import type { ActiveRequest, GatewayCore } from './core.ts';
import { filledHead, filledIds, type Filled, type FilledHead } from './filled-request.ts';
import { headerTokens } from './headers.ts';
import type { OutboundBody, OutboundStep } from './outbound.ts';
import { credentialFor, isIdempotent, outboundBody, scanOutboundHead, screenFor } from './outbound-request.ts';
import type { Allowed, Halt, Sent } from './halt.ts';
import { inboundFor } from './inbound.ts';
import type { RequestAccount } from './record.ts';
import { gatewayRefusal, type Refusal } from './refusals.ts';
import type { PlacedRequest } from './stand-ins.ts';
import { findingsRefusal, sendRequest, stepRefusal, type UploadOutcome } from './upload.ts';
import type { UpstreamConnection } from './upstream-pool.ts';
import { endWebSocket, serveUpgraded } from './websocket-exchange.ts';
import { checkUpgrade, readOffer, type WebSocketOffer } from './websocket-handshake.ts';
import { WireError } from './wire.ts';

/** One request and its answer: decide, scan, record, dial, splice, record. */
export class Exchange implements ActiveRequest {
  readonly facts: RequestFacts;
  readonly #core: GatewayCore;
  readonly #parts: AgentSideParts;
  readonly #account: RequestAccount;
  readonly #expected: readonly string[];
  readonly #side: AgentSide;
  readonly #offer: WebSocketOffer | null;
  #body: OutboundBody | null = null;
  #route: string | null = null;
  #upstream: UpstreamConnection | null = null;
  #upload: Promise<void> | null = null;
  #uploaded: UploadOutcome | null = null;
  #sentWhole = false;
  #halt: Halt | null = null;
  #answerBegun = false;
  #keepsAlive = false;
  #echoed = false;
  /** The agent has its answer: what still comes of its request is thrown away. */
  #discarding = false;

  constructor(parts: AgentSideParts) {
    this.facts = parts.facts;
    this.#core = parts.core;
    this.#parts = parts;
    this.#account = parts.account;
    this.#expected = headerTokens(parts.facts.headers, 'expect');
    this.#offer = readOffer(parts.facts);
    parts.account.refine(parts.facts, this.#offer !== null);
    this.#side = new AgentSide(parts, this.#expected.length > 0);
  }

  /** Serves the request to its end; both record lines have been written when it resolves. */
  async run(): Promise<Afterwards> {
    this.#side.wire.onGone = () => {
      this.#break({ kind: 'agent-gone' });
    };
    this.#core.active.add(this);
    try {
      return await this.#serve();
    } catch (failure) {
      // Only the agent's own connection fails up here: it is gone, or silent for too long. All else is our fault.
      const afterwards = this.#loseAgent();
      if (failure instanceof WireError) return afterwards;
      throw failure;
    } finally {
      this.#core.active.delete(this);
      this.#side.wire.onGone = null;
      await this.#body?.release?.();
    }
  }

  /** A reload refused what the old policy had allowed. */
  revoke(verdict: Extract<Verdict, { readonly kind: 'deny' }>, generation: number): void {
    if (this.#halt === null) this.#account.judgedBy(generation);
    this.#break({ kind: 'refused', refusal: verdict, findings: [] });
  }

  async #serve(): Promise<Afterwards> {
    const verdict = decideEgress(this.#core.live().policy, this.facts);
    if (verdict.kind === 'deny') return this.#refuse(verdict);
    this.#route = verdict.route.id;

    const findings = scanOutboundHead(this.#core, verdict, this.facts);
    if (findings.length > 0) return this.#refuse(findingsRefusal(findings, this.#route), findings);
    const { knownSecrets, tokenPatterns } = verdict.forward.outbound;
    if (knownSecrets && tokenPatterns) this.#account.vouch();
    const credential = credentialFor(this.#core, verdict);
    if (credential === undefined) {
      return this.#refuse(
        gatewayRefusal(403, 'credential_missing', "the route's credential has no value", this.#route),
      );
    }
    const placed = this.#core.standIns.place(verdict, this.facts);
    if ('refused' in placed) return this.#refuse(placed.refused, placed.findings);
    const refused = this.#openBody(verdict, placed);
    if (refused !== null) return this.#refuse(refused);

    // The head waits with the first block of the body (SECURITY S17): a value found there keeps both from leaving.
    const first = this.#body === null ? null : await this.#body.next();
    const halted = this.#halted();
    if (halted !== null) return halted.kind === 'refused' ? this.#refuse(halted.refusal) : this.#loseAgent();
    const unfit = stepRefusal(first, this.#route);
    if (unfit !== null) return this.#refuse(unfit.refusal, unfit.findings);

    const decision = { decision: 'allow', reason: 'allowed', route: this.#route } as const;
    if (!this.#account.decide(decision)) return this.#refuseUnrecorded();
    return this.#forward(verdict, { credential, placed }, first);
  }

  /** Prepares the body's way out and asks the agent for it where it waits to be asked. */
  #openBody(verdict: Allowed, placed: PlacedRequest): Refusal | null {
    if (this.#expected.some((token) => token !== '100-continue')) {
      return gatewayRefusal(417, 'bad_request', 'the expectation is not known', this.#route);
    }
    const { incoming } = this.#side;
    if (incoming === null) return null;
    const body = outboundBody(this.#core, this.facts, { verdict, placed, incoming });
    if (body === null) {
      return gatewayRefusal(403, 'unscannable', 'the content coding is not one that can be scanned', this.#route);
    }
    this.#body = body;
    this.#side.askForBody();
    return null;
  }

  async #forward(verdict: Allowed, filled: Filled, first: OutboundStep | null): Promise<Afterwards> {
    const request = filledHead(this.facts, verdict, filled, { framing: this.#framing, offer: this.#offer });
    const slot = verdict.forward.inject?.slot ?? null;
    const webSocket = this.#offer !== null;
    const idempotent = isIdempotent(this.facts.method);
    const repeatable = idempotent && (this.#body === null || this.#body.finished);
    let reuse: 'new' | 'recent' | 'any' = idempotent ? 'any' : 'recent';
    for (;;) {
      const acquired = await this.#core.pool.acquire(verdict.permit, { credential: slot, reuse, webSocket });
      if (!acquired.ok) return this.#halted() === null ? this.#failDial(acquired.error) : this.#settleHalt();
      this.#account.connected();
      if (this.#halted() !== null) {
        this.#core.pool.release(acquired.value);
        return this.#settleHalt();
      }
      const outcome = await this.#converse(acquired.value, request, first, { verdict, filled });
      const unheard = outcome.kind === 'none' && outcome.unheard;
      // An idle connection can be closed by the upstream at the very moment we take it.
      if (unheard && acquired.value.reused && repeatable && this.#halted() === null) {
        acquired.value.wire.destroy();
        await this.#upload;
        this.#account.sentBytes = 0;
        reuse = 'new';
        continue;
      }
      if (outcome.kind === 'switched') {
        return this.#serveWebSocket(acquired.value, outcome, { verdict, filled });
      }
      return this.#finish(acquired.value, outcome);
    }
  }

  /** Both halves at once: an upstream may answer before it has read everything. */
  async #converse(
    connection: UpstreamConnection,
    request: FilledHead,
    first: OutboundStep | null,
    { verdict, filled }: Sent,
  ): Promise<AnswerOutcome> {
    this.#upstream = connection;
    [this.#uploaded, this.#sentWhole] = [null, false];
    this.#upload = sendRequest({
      upstream: connection.wire,
      head: request.head,
      body: this.#body,
      first,
      framing: this.#framing,
      account: this.#account,
      route: this.#route,
      idleTimeoutMs: this.#core.timeouts.idleTimeoutMs,
      discarding: () => this.#discarding,
    }).then((uploaded) => {
      this.#uploaded = uploaded;
      this.#sentWhole = uploaded.kind === 'complete';
      if (uploaded.kind === 'refused' || uploaded.kind === 'agent-gone') this.#break(uploaded);
    });
    const offer = this.#offer;
    const outcome = await relayAnswer({
      upstream: connection.wire,
      agent: this.#side.wire,
      account: this.#account,
      timeouts: this.#core.timeouts,
      method: this.facts.method,
      agentIsHttp10: this.#side.isHttp10,
      wantsTrailers: headerTokens(this.facts.headers, 'te').includes('trailers'),
      wantsInterim: this.facts.multiplexed === true,
      upgrade: offer === null ? null : (answered) => checkUpgrade(answered, offer, request.headers),
      mayKeepAlive: () => (this.#keepsAlive = this.#side.mayKeepAlive()),
      mask: this.#core.echoes.maskFor(filledIds(filled)),
      onMasked: this.#noteEcho,
      inbound: inboundFor(verdict, this.#account, this.#break.bind(this)),
      onBegun: () => {
        this.#answerBegun = true;
      },
    });
    this.#upstream = null;
    return outcome;
  }

  get #framing(): Framing {
    return this.#body?.reframed ?? this.#parts.framing;
  }

  /** A masked answer is recorded; several in a minute mean that somebody makes the upstream echo (SECURITY S13). */
  readonly #noteEcho = (names: readonly string[], place: string): void => {
    const rule = this.#echoed ? 'echo' : this.#core.echoes.count(this.#route ?? '') ? 'echo_alert' : 'echo';
    this.#echoed = true;
    if (rule === 'echo_alert') this.#core.tally.echoAlerts += 1;
    this.#account.found(names.map((name) => ({ rule, name, place })));
  };

  async #serveWebSocket(
    connection: UpstreamConnection,
    switched: Extract<AnswerOutcome, { readonly kind: 'switched' }>,
    { verdict, filled }: Sent,
  ): Promise<Afterwards> {
    this.#upstream = connection;
    this.#answerBegun = true;
    const end = await serveUpgraded({
      core: this.#core,
      account: this.#account,
      agent: this.#side.wire,
      upstream: connection.wire,
      switched,
      screen: screenFor(this.#core, verdict),
      mask: this.#core.echoes.maskFor(filledIds(filled)),
      onMasked: this.#noteEcho,
      revoked: () => this.#halted()?.kind === 'refused',
    });
    this.#upstream = null;
    const halt = this.#halted()?.kind;
    if (halt === 'refused') return this.#settleHalt().then(() => 'close');
    if (halt === 'agent-gone' && end.kind === 'gone') return this.#loseAgent();
    return endWebSocket(this.#account, this.#route, end);
  }

  async #finish(
    connection: UpstreamConnection,
    outcome: Exclude<AnswerOutcome, { readonly kind: 'switched' }>,
  ): Promise<Afterwards> {
    // The request may have been handed over whole just now, with only its last step to be told.
    if (this.#uploaded === null) await Promise.race([this.#upload, nextTurn()]);
    const sentWhole = this.#sentWhole;
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
        return this.#closeAfterAnswer();
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
    const reason = FAILURE_REASONS[outcome.why];
    const refusal = gatewayRefusal(outcome.why === 'timeout' ? 504 : 502, reason, outcome.detail, this.#route);
    this.#account.revise({ decision: 'allow', reason, route: this.#route });
    if (sentWhole) return this.#side.refuse(refusal, 'complete');
    this.#side.writeRefusal(refusal, true);
    this.#account.end('complete');
    return this.#closeAfterAnswer();
  }

  #failDial(failure: DialFailure): Promise<Afterwards> {
    const decision = failure.status === 403 ? 'deny' : 'allow';
    this.#account.revise({ decision, reason: failure.reason, route: this.#route });
    return this.#side.refuse(gatewayRefusal(failure.status, failure.reason, failure.detail, this.#route), 'complete');
  }

  /** The request was broken off; the agent hears why if it has heard nothing yet. */
  async #settleHalt(): Promise<Afterwards> {
    const halt = this.#halt;
    if (halt?.kind !== 'refused') return this.#loseAgent();
    this.#account.found(halt.findings);
    this.#account.revise({ decision: 'deny', reason: halt.refusal.reason, route: this.#route });
    if (!this.#answerBegun) this.#side.writeRefusal(halt.refusal, true);
    this.#account.end('refused_midway');
    return this.#answerBegun ? 'cut' : this.#closeAfterAnswer();
  }

  #loseAgent(): Afterwards {
    // A request whose agent went before it was decided has gone nowhere; its lines say so.
    this.#account.decideLast(this.#halt?.kind === 'refused' ? this.#halt.refusal.reason : 'bad_request', this.#route);
    this.#account.end('agent_gone');
    return 'cut';
  }

  #refuse(refusal: Refusal, findings: readonly Hit[] = []): Promise<Afterwards> {
    this.#account.found(findings);
    const decision = { decision: 'deny', reason: refusal.reason, route: refusal.route } as const;
    return this.#account.decide(decision) ? this.#side.refuse(refusal, 'complete') : this.#refuseUnrecorded();
  }

  #refuseUnrecorded(): Promise<Afterwards> {
    this.#account.revise({ decision: 'deny', reason: 'record_failed', route: this.#route });
    const refusal = gatewayRefusal(503, 'record_failed', 'the decision could not be recorded', this.#route);
    return this.#side.refuse(refusal, 'complete');
  }

  /** The answer is out and its head said that the connection closes. */
  #closeAfterAnswer(): Promise<Afterwards> | Afterwards {
    if (this.#upload === null || this.#uploaded !== null) return 'close';
    this.#discarding = true;
    return this.#side.outlast(this.#upload);
  }

  #halted(): Halt | null {
    return this.#halt;
  }

  #break(halt: Halt): void {
    this.#halt ??= halt;
    this.#upstream?.wire.destroy();
  }
}
