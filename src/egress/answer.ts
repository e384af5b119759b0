import type { KnownValues } from '../dlp/known-values.ts';
import { err, type Result } from '../kernel/result.ts';
import { encodeLastChunk } from '../protocol/http1/body.ts';
import { responseFraming, keepAlive, type Framing } from '../protocol/http1/framing.ts';
import { parseResponseHead, serialiseResponseHead, type ResponseHead } from '../protocol/http1/head.ts';
import { BodyReader, type BodySource, type BodyStep } from './body-reader.ts';
import type { Timeouts } from './core.ts';
import { MaskedBody, maskHeaders, maskText, withoutCoding, type OnMasked } from './echoes.ts';
import { readHead } from './head-reader.ts';
import { agentHeaders, answerFraming, answerTrailers, headerTokens, headerValues, isGrpcFramed } from './headers.ts';
import { InspectedBody, isRead, type InboundParts } from './inbound.ts';
import { bodyCoding } from './outbound.ts';
import type { RequestAccount } from './record.ts';
import type { AgreedUpgrade } from './websocket-handshake.ts';
import { WireError, type Block, type Wire } from './wire.ts';

/** How the upstream's answer went. */
export type AnswerOutcome =
  /** All of it reached the agent. `idleMs` is how long the connection may be kept: 0 for not at all. */
  | { readonly kind: 'complete'; readonly idleMs: number }
  /** Nothing reached the agent. `unheard`: not one byte came, so the upstream may never have seen the request. */
  | {
      readonly kind: 'none';
      readonly why: 'closed' | 'invalid' | 'timeout';
      readonly detail: string;
      readonly unheard: boolean;
    }
  /** The upstream has switched to the WebSocket that was asked for; nothing reached the agent yet. */
  | { readonly kind: 'switched'; readonly head: ResponseHead; readonly agreed: AgreedUpgrade }
  /** The agent has a part of it. */
  | { readonly kind: 'cut'; readonly by: 'agent' | 'upstream' };

/** What the record says of an upstream that gave no answer. */
export const FAILURE_REASONS = {
  closed: 'upstream_unreachable',
  invalid: 'upstream_invalid',
  timeout: 'upstream_timeout',
} as const;

export interface AnswerParts {
  readonly upstream: Wire;
  readonly agent: Wire;
  readonly account: RequestAccount;
  readonly timeouts: Timeouts;
  readonly method: string;
  readonly agentIsHttp10: boolean;
  /** The agent said that it reads trailers. */
  readonly wantsTrailers: boolean;
  /** Interim answers (103) are passed on: over HTTP/1.1 many clients take the first they see for the last. */
  readonly wantsInterim: boolean;
  /** Checks the answer to an upgrade that was asked for; null when none was. */
  readonly upgrade: ((head: ResponseHead) => Result<AgreedUpgrade, string>) | null;
  /** Asked when the answer's head is written: whether the agent's connection can carry another request. */
  readonly mayKeepAlive: () => boolean;
  /** What was put into the request and must not come back (SECURITY S13); null when nothing was. */
  readonly mask: KnownValues | null;
  readonly onMasked: OnMasked;
  /** How it is looked at before the agent reads it; null when it is not. */
  readonly inbound: InboundParts | null;
  /** The head is about to be written: from here on no refusal can be given. */
  readonly onBegun: () => void;
}

/** Far beyond what any server sends before its answer; more is somebody playing. */
const INTERIM_ANSWERS = 16;
/** Leaves room for the connection to be closed at the other end while a request is on its way. */
const IDLE_MARGIN_MS = 1_000;

/** Passes the upstream's answer on as it arrives. Never rejects: every failure is an outcome. */
export async function relayAnswer(parts: AnswerParts): Promise<AnswerOutcome> {
  const answered = await readFinalHead(parts);
  if (answered.kind !== 'head') return answered;
  const { head } = answered;
  const framing = responseFraming(head, parts.method);
  if (!framing.ok) return invalid(framing.error);

  const reader = new BodyReader(parts.upstream, framing.value, parts.timeouts.idleTimeoutMs);
  const opened = openAnswer(head, reader, framing.value, parts);
  if (opened.kind === 'none') return opened;
  using body = opened;
  using inspected = inspectAnswer(head, body, parts);
  const source = inspected ?? body.source;
  // What does not decode, or is not to be read, is refused while the agent has heard nothing: its first block is waited for.
  const first = body.recoded || (inspected !== null && parts.upstream.readable) ? await nextStep(source) : null;
  if (first?.kind === 'broken' && (body.recoded || inspected?.stopped === true)) return undecodable(first.why);

  const shape = { status: head.status, framing: body.framing, agentIsHttp10: parts.agentIsHttp10 };
  const outward = answerFraming(shape);
  const keep = outward.kind !== 'until-close' && parts.mayKeepAlive();
  const headers = agentHeaders(body.recoded ? withoutCoding(head.headers) : head.headers, {
    ...shape,
    keepAlive: keep,
  });
  const masked = maskHead({ ...head, headers }, parts);
  parts.account.status = head.status;
  parts.account.answered(() => (parts.mask === null ? headers : maskHeaders(parts.mask, headers, () => undefined)));
  parts.onBegun();
  const ended = await pumpAnswer(parts, { source, first, outward }, masked);
  if (ended !== null) return { kind: 'cut', by: ended };
  return { kind: 'complete', idleMs: framing.value.kind === 'until-close' ? 0 : idleAllowance(head) };
}

interface OpenAnswer extends Disposable {
  readonly kind: 'open';
  readonly source: BodySource;
  /** It goes out in other bytes than it came in. */
  readonly recoded: boolean;
  readonly framing: Framing;
}

/** The body as the agent gets it: as it comes, or decoded and masked where a credential went out with the request. */
function openAnswer(
  head: ResponseHead,
  reader: BodyReader,
  framing: Framing,
  { mask, onMasked }: AnswerParts,
): OpenAnswer | Extract<AnswerOutcome, { readonly kind: 'none' }> {
  if (mask === null || framing.kind === 'none') {
    return { kind: 'open', source: reader, recoded: false, framing, [Symbol.dispose]: () => undefined };
  }
  const coding = bodyCoding(head.headers);
  if (coding.kind === 'unknown') return undecodable('its content coding is not one that can be undone');
  const source = new MaskedBody({
    reader,
    codings: coding.kind === 'coded' ? coding.codings : [],
    framed: isGrpcFramed(head.headers),
    mask,
    onMasked,
  });
  const recoded = coding.kind === 'coded';
  const dispose = (): void => {
    source[Symbol.dispose]();
  };
  // Masks keep the length of what they cover; decoding does not.
  return { kind: 'open', source, recoded, framing: recoded ? { kind: 'chunked' } : framing, [Symbol.dispose]: dispose };
}

/** Null for what no model reads, and what can't be read here. */
function inspectAnswer(
  { headers }: ResponseHead,
  { source, recoded, framing }: OpenAnswer,
  { inbound, mask }: AnswerParts,
): InspectedBody | null {
  if (inbound === null || framing.kind === 'none' || !isRead(headers)) return null;
  const coding = mask === null && !recoded ? bodyCoding(headers) : { kind: 'identity' as const };
  if (coding.kind === 'unknown') return null;
  return new InspectedBody(source, coding.kind === 'coded' ? coding.codings : [], inbound);
}

function maskHead({ status, statusText, headers }: ResponseHead, { mask, onMasked }: AnswerParts): string {
  if (mask === null) return serialiseResponseHead(status, statusText, headers);
  return serialiseResponseHead(status, maskText(mask, statusText, onMasked), maskHeaders(mask, headers, onMasked));
}

type FinalHead =
  | { readonly kind: 'head'; readonly head: ResponseHead }
  | Extract<AnswerOutcome, { readonly kind: 'none' | 'switched' }>;

async function readFinalHead(parts: AnswerParts): Promise<FinalHead> {
  const { upstream, account, timeouts } = parts;
  let unheard = true;
  try {
    const heard = (): void => {
      unheard = false;
      account.firstByte();
    };
    const limits = {
      firstByteMs: timeouts.upstreamFirstByteTimeoutMs,
      wholeMs: timeouts.requestHeadTimeoutMs,
      onFirstByte: heard,
    };
    for (let interim = 0; interim < INTERIM_ANSWERS; interim += 1) {
      const read = await readHead(upstream, parseResponseHead, limits);
      if (read === null || read.kind === 'cut') return closed(unheard);
      if (read.kind === 'invalid') return invalid(read.why);
      if (read.head.status === 101) return switched(parts, read.head);
      if (read.head.status >= 200) return read;
      passInterim(parts, read.head);
    }
    return invalid('too many interim answers');
  } catch (failure) {
    if (!(failure instanceof WireError)) throw failure;
    if (failure.kind === 'gone') return closed(unheard);
    return { kind: 'none', why: 'timeout', detail: 'the upstream did not answer in time', unheard };
  }
}

function switched({ upgrade }: AnswerParts, head: ResponseHead): FinalHead {
  const agreed = upgrade?.(head) ?? err('it switched protocols without being asked');
  return agreed.ok ? { kind: 'switched', head, agreed: agreed.value } : invalid(agreed.error);
}

/** A 100 ends here, since the agent got its own (Expect). */
function passInterim(parts: AnswerParts, head: ResponseHead): void {
  const { agent, wantsInterim } = parts;
  if (!wantsInterim || head.status === 100 || agent.gone) return;
  const fields = agentHeaders(head.headers, {
    status: head.status,
    framing: { kind: 'none' },
    agentIsHttp10: false,
    keepAlive: true,
  });
  agent.write(maskHead({ ...head, headers: fields }, parts));
}

/** Null when all went over; else who broke it off. The head goes out with the first block if that is here already. */
async function pumpAnswer(
  { upstream, agent, account, timeouts, wantsTrailers, mask, onMasked }: AnswerParts,
  {
    source,
    first,
    outward,
  }: { readonly source: BodySource; readonly first: BodyStep | null; readonly outward: Framing },
  head: string,
): Promise<'agent' | 'upstream' | null> {
  let unsent: Block[] = [head];
  let ahead = first;
  if (ahead === null && (source.done || !upstream.readable)) {
    if (!(await deliver(agent, unsent, timeouts.idleTimeoutMs))) return 'agent';
    unsent = [];
  }
  for (;;) {
    const step = ahead ?? (await nextStep(source));
    ahead = null;
    if (step.kind === 'broken') {
      // What the agent was promised will not come: the head at least, then the cut that it can see.
      if (unsent.length > 0) await deliver(agent, unsent, timeouts.idleTimeoutMs);
      return 'upstream';
    }
    if (step.kind === 'data') {
      const size = step.data.reduce((sum, block) => sum + block.length, 0);
      account.receivedBytes += size;
      unsent.push(...frameAnswer(outward, step.data, size));
    }
    const last = step.kind === 'end' || (source.done && outward.kind !== 'until-close');
    if (last && outward.kind === 'chunked') {
      const trailers = wantsTrailers ? answerTrailers(source.trailers) : [];
      unsent.push(encodeLastChunk(mask === null ? trailers : maskHeaders(mask, trailers, onMasked)));
    }
    // With the last block there is nothing to hold back for: the agent may read it at leisure, and close.
    if (unsent.length > 0 && !(await deliver(agent, unsent, last ? null : timeouts.idleTimeoutMs))) return 'agent';
    if (last) return null;
    unsent = [];
  }
}

async function nextStep(source: BodySource): Promise<BodyStep> {
  try {
    return await source.next();
  } catch (failure) {
    if (failure instanceof WireError) return { kind: 'broken', why: failure.kind };
    throw failure;
  }
}

/** False when the agent is gone. With a time-out, waits until there is room for more. */
async function deliver(agent: Wire, blocks: readonly Block[], timeoutMs: number | null): Promise<boolean> {
  try {
    if (!agent.writeAll(blocks) && timeoutMs !== null) await agent.drained(timeoutMs);
    return true;
  } catch (failure) {
    if (failure instanceof WireError) return false;
    throw failure;
  }
}

function frameAnswer(outward: Framing, data: readonly Uint8Array[], size: number): readonly Block[] {
  if (outward.kind !== 'chunked' || size === 0) return data;
  return [`${size.toString(16)}\r\n`, ...data, '\r\n'];
}

function idleAllowance(head: ResponseHead): number {
  if (!keepAlive(head)) return 0;
  // NTLM and Negotiate log a connection in, not a request: such a one is nobody else's (SECURITY S23).
  if (headerTokens(head.headers, 'www-authenticate').some((token) => /^(?:ntlm|negotiate)\b/.test(token))) return 0;
  const [, seconds] = /\btimeout=(\d{1,6})\b/i.exec(headerValues(head.headers, 'keep-alive').join(',')) ?? [];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1000 - IDLE_MARGIN_MS;
}

function closed(unheard: boolean): Extract<AnswerOutcome, { readonly kind: 'none' }> {
  return { kind: 'none', why: 'closed', detail: 'the upstream closed the connection before it answered', unheard };
}

function invalid(why: string): Extract<AnswerOutcome, { readonly kind: 'none' }> {
  return {
    kind: 'none',
    why: 'invalid',
    detail: `the upstream's answer is not valid HTTP/1.1: ${why}`,
    unheard: false,
  };
}

function undecodable(why: string): Extract<AnswerOutcome, { readonly kind: 'none' }> {
  const detail = `a credential went out with the request, and the answer can't be searched for it: ${why}`;
  return { kind: 'none', why: 'invalid', detail, unheard: false };
}
