import { randomUUID } from 'node:crypto';
import path from 'node:path';
import fs from 'node:fs';
import { z } from 'zod';
import { buildKnownValues } from '../dlp/known-values.ts';
import { redactText } from '../dlp/redact.ts';
import type { JsonValue } from '../kernel/canonical-json.ts';
import { BottleError } from '../kernel/errors.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { ControlFailure } from '../platform/control-socket.ts';
import type { Grant } from '../policy/grants.ts';
import type { Clock } from '../ports/clock.ts';
import type { ProposalState } from '../protocol/proposal-state.ts';
import { AuditBodySchema, type AuditBody } from '../schema/audit.ts';
import { CONTROL_ERROR } from '../schema/control.ts';
import type { GatewayConfig, GatewaySecrets } from '../schema/gateway-config.ts';
import {
  AnswerParamsSchema,
  ProposalViewSchema,
  UndoParamsSchema,
  type Answered,
  type AnswerParams,
  type Inbox,
  type ProposalView,
} from '../schema/inbox.ts';
import type { Impact } from '../schema/proposal.ts';
import { ReportSchema, REPORTS_FILE, ROUTES_FILE, type RoutesSnapshot } from '../schema/supervise-service.ts';
import { readLog } from '../supervise/event-log.ts';
import { ProposalQueue, type QueuePlaces } from '../supervise/queue.ts';
import { viewOf } from '../supervise/view.ts';
import type { BottleAudit } from './audit.ts';

/**
 * The operator's side of the queue. A yes is applied first and told second (DESIGN 8): who is told that it is allowed
 * can rely on it. Held by the launcher, so an answer comes by its control socket, which no bottle can reach (SECURITY S33).
 */
export interface ApprovalParts {
  readonly places: QueuePlaces;
  readonly clock: Clock;
  readonly audit: BottleAudit;
}

/** The policy, as far as answers need it; `control.ts` has it. */
export interface PolicyHolder {
  readonly live: () => GatewayConfig;
  readonly secrets: () => GatewaySecrets;
  /** Exactly these grants on top of the manifest; in force when it answers. */
  readonly apply: (grants: readonly Grant[]) => Promise<Result<GatewayConfig, ControlFailure>>;
}

const HOUR_MS = 3_600_000;
const LAPSE_CHECK_MS = 5_000;
const REPORTS_SHOWN = 20;

/** Yeses of earlier lives that hold for this one too. */
export function standingGrants(queue: ProposalQueue, nowMs: number): readonly Grant[] {
  return queue.list().flatMap(({ status, answer, proposal: { id } }) => {
    if (status !== 'approved' || answer?.event !== 'approved') return [];
    const holds = answer.scope === 'bottle' || (answer.scope === 'hour' && (answer.untilMs ?? 0) > nowMs);
    return holds ? [{ id, route: answer.granted }] : [];
  });
}

export class Approvals implements Disposable {
  readonly #parts: ApprovalParts;
  readonly #policy: PolicyHolder;
  readonly #queue: ProposalQueue;
  readonly #timer: NodeJS.Timeout;
  #grants: readonly Grant[];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ApprovalParts, grants: readonly Grant[], policy: PolicyHolder) {
    this.#parts = parts;
    this.#policy = policy;
    this.#queue = new ProposalQueue(parts.places, parts.clock);
    this.#grants = grants;
    this.#endUnheld(grants);
    this.tellRoutes();
    this.#timer = setInterval(() => {
      void this.#inTurn(() => this.#lapse());
    }, LAPSE_CHECK_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  inbox(): Result<Inbox, ControlFailure> {
    const live = this.#policy.live();
    const reports = readLog(path.join(this.#parts.places.asked, REPORTS_FILE), ReportSchema).slice(-REPORTS_SHOWN);
    const proposals = this.#queue.list().map((state) => this.#shown(viewOf(state, live)));
    return ok({ proposals, reports: reports.map(({ at, text }) => ({ at, text: this.#redact(text) })) });
  }

  answer(params: unknown): Promise<Result<Answered, ControlFailure>> {
    const parsed = AnswerParamsSchema.safeParse(params);
    if (!parsed.success) return Promise.resolve(refused(z.prettifyError(parsed.error)));
    return this.#inTurn(() => this.#answer(parsed.data));
  }

  undo(params: unknown): Promise<Result<Answered, ControlFailure>> {
    const parsed = UndoParamsSchema.safeParse(params);
    if (!parsed.success) return Promise.resolve(refused(z.prettifyError(parsed.error)));
    return this.#inTurn(() => this.#undo(parsed.data.id));
  }

  /** For `list-egress-routes`, which answers from this file. */
  tellRoutes(): void {
    const { generation, routes } = this.#policy.live();
    const snapshot: RoutesSnapshot = {
      generation,
      routes: routes.filter(({ origin }) => origin !== 'probe').map(({ route }) => route),
    };
    const file = path.join(this.#parts.places.answers, ROUTES_FILE);
    fs.writeFileSync(`${file}.new`, `${JSON.stringify(snapshot)}\n`, { mode: 0o644 });
    fs.renameSync(`${file}.new`, file);
  }

  /** One after the other: each is judged by what the one before has left. */
  #inTurn<Value>(act: () => Promise<Value>): Promise<Value> {
    const mine = this.#turn.then(act);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #answer(params: AnswerParams): Promise<Result<Answered, ControlFailure>> {
    const state = this.#queue.read(params.id);
    if (state === null) return refused('there is no such proposal');
    if (isSaidAlready(state, params)) return ok(this.#answered(state));
    if (state.status !== 'pending') return refused(`it is ${state.status} already`);
    const { digest, impact } = viewOf(state, this.#policy.live());
    if (digest !== params.digest) {
      return refused('stale: what a yes would open is no longer what was shown; look at it again');
    }
    const by = randomUUID();
    if (params.verdict === 'approve' && params.narrower !== null && chosen(params, impact).granted === null) {
      return refused(`there is no ${params.narrower} among the narrower choices`);
    }
    const claimed = this.#queue.answer(params.id, { event: 'claimed', by, atMs: this.#parts.clock.now() });
    if (claimed?.holder !== by) return refused('somebody else is answering it at this moment');
    try {
      if (params.verdict === 'reject') return this.#reject(state, params, by);
      return await this.#approve(state, chosen(params, impact), by);
    } catch (failure) {
      this.#queue.answer(params.id, { event: 'released', by });
      if (failure instanceof BottleError) return refused(failure.message);
      throw failure;
    }
  }

  async #approve({ proposal }: ProposalState, params: Yes, by: string): Promise<Result<Answered, ControlFailure>> {
    const { clock, audit } = this.#parts;
    const granted = params.granted ?? proposal.route;
    audit.operator(this.#entry('approving', proposal.id, { granted, scope: params.scope, note: params.note }));
    const before = this.#grants;
    const grants = [...before.filter(({ id }) => id !== proposal.id), { id: proposal.id, route: granted }];
    const applied = await this.#policy.apply(grants);
    if (!applied.ok) {
      const why = applied.error.message;
      this.#queue.answer(proposal.id, { event: 'failed', by, at: clock.timestamp(), why });
      audit.operator(this.#entry('not-applied', proposal.id, { why }));
      return applied;
    }
    this.#grants = grants;
    this.tellRoutes();
    const { generation } = applied.value;
    const state = this.#queue.answer(proposal.id, {
      event: 'approved',
      by,
      at: clock.timestamp(),
      scope: params.scope,
      granted,
      generation,
      untilMs: params.scope === 'hour' ? clock.now() + HOUR_MS : null,
      note: params.note,
    });
    audit.operator(this.#entry('approved', proposal.id, { generation }));
    return state === null ? refused('its file has vanished') : ok(this.#answered(state));
  }

  #reject(
    { proposal }: ProposalState,
    { note }: Extract<AnswerParams, { verdict: 'reject' }>,
    by: string,
  ): Result<Answered, ControlFailure> {
    const { clock, audit } = this.#parts;
    audit.operator(this.#entry('rejected', proposal.id, { route: proposal.route, note }));
    const state = this.#queue.answer(proposal.id, { event: 'rejected', by, at: clock.timestamp(), note });
    return state === null ? refused('its file has vanished') : ok(this.#answered(state));
  }

  async #undo(id: string): Promise<Result<Answered, ControlFailure>> {
    const state = this.#queue.read(id);
    if (state === null) return refused('there is no such proposal');
    if (state.status === 'undone') return ok(this.#answered(state));
    if (state.status !== 'approved') return refused(`it is ${state.status}; there is nothing to undo`);
    this.#parts.audit.operator(this.#entry('undoing', id, {}));
    return this.#withdraw(id, 'undone');
  }

  async #withdraw(id: string, event: 'undone' | 'lapsed'): Promise<Result<Answered, ControlFailure>> {
    const grants = this.#grants.filter((grant) => grant.id !== id);
    const applied = await this.#policy.apply(grants);
    if (!applied.ok) return applied;
    this.#grants = grants;
    this.tellRoutes();
    const { clock, audit } = this.#parts;
    const state = this.#queue.answer(id, { event, at: clock.timestamp() });
    audit.operator(this.#entry(event, id, { generation: applied.value.generation }));
    return state === null ? refused('its file has vanished') : ok(this.#answered(state));
  }

  /** What was allowed for a time that is over. */
  async #lapse(): Promise<void> {
    const now = this.#parts.clock.now();
    for (const { status, answer, proposal } of this.#queue.list()) {
      const until = answer?.event === 'approved' ? answer.untilMs : null;
      if (status === 'approved' && until !== null && until <= now) await this.#withdraw(proposal.id, 'lapsed');
    }
  }

  /** Yeses for an earlier life of the bottle alone. */
  #endUnheld(held: readonly Grant[]): void {
    for (const { status, proposal } of this.#queue.list()) {
      if (status !== 'approved' || held.some(({ id }) => id === proposal.id)) continue;
      this.#queue.answer(proposal.id, { event: 'lapsed', at: this.#parts.clock.timestamp() });
    }
  }

  #answered(state: ProposalState): Answered {
    const live = this.#policy.live();
    return { proposal: this.#shown(viewOf(state, live)), generation: live.generation };
  }

  #entry(what: string, id: string, more: Readonly<Record<string, JsonValue>>): AuditBody {
    return AuditBodySchema.parse(this.#clean({ what, id, ...more }));
  }

  /** What the agent wrote may hold a value that it has inside. */
  #shown(view: ProposalView): ProposalView {
    return ProposalViewSchema.parse(this.#clean(z.json().parse(view)));
  }

  #clean(value: JsonValue | undefined): JsonValue {
    if (typeof value === 'string') return this.#redact(value);
    if (value === null || value === undefined || typeof value !== 'object') return value ?? null;
    if (isList(value)) return value.map((member) => this.#clean(member));
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, this.#clean(member)]));
  }

  #redact(text: string): string {
    const { credentials, placeholders = [], knownValues } = this.#policy.secrets();
    const known = buildKnownValues([...credentials, ...placeholders, ...knownValues]);
    return redactText({ known, tokens: null }, text);
  }
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function refused(message: string): Result<never, ControlFailure> {
  return err({ code: CONTROL_ERROR.refused, message });
}

type Yes = Extract<AnswerParams, { verdict: 'approve' }>;

/** One of the narrower choices that were shown, by its key. */
function chosen(params: Yes, { narrower }: Impact): Yes {
  if (params.narrower === null) return params;
  return { ...params, granted: narrower.find(({ key }) => key === params.narrower)?.route ?? null };
}

/** The same answer a second time is no error, and does nothing. */
function isSaidAlready({ status, answer }: ProposalState, params: AnswerParams): boolean {
  if (params.verdict === 'reject') return status === 'rejected';
  if (status !== 'approved' || answer?.event !== 'approved') return false;
  return answer.scope === params.scope;
}
