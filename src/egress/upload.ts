import type { Hit } from '../dlp/screen.ts';
import { LIMITS } from '../kernel/limits.ts';
import { encodeChunk, encodeLastChunk } from '../protocol/http1/body.ts';
import { isCredentialHeader } from '../policy/credentials.ts';
import type { Framing } from '../protocol/http1/framing.ts';
import type { OutboundBody, OutboundStep } from './outbound.ts';
import type { RequestAccount } from './record.ts';
import { gatewayRefusal, type Refusal } from './refusals.ts';
import { WireError, type Block, type Wire } from './wire.ts';

export type UploadOutcome =
  | { readonly kind: 'complete' }
  /** The rest must not leave; what was sent so far has to be broken off. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly findings: readonly Hit[] }
  | { readonly kind: 'agent-gone' }
  /** The upstream takes no more. Whether it has answered is seen on the other half of the connection. */
  | { readonly kind: 'not-taken' };

export interface UploadParts {
  readonly upstream: Wire;
  readonly head: string;
  readonly body: OutboundBody | null;
  /** The first step of the body, taken before anything was sent. */
  readonly first: OutboundStep | null;
  readonly framing: Framing;
  readonly account: RequestAccount;
  readonly route: string | null;
  readonly idleTimeoutMs: number;
  /** True once the agent has its answer: what still comes is read, up to a bound, and thrown away. */
  readonly discarding: () => boolean;
}

/** Sends a request's head and body. Never rejects: every failure is an outcome. */
export async function sendRequest(parts: UploadParts): Promise<UploadOutcome> {
  const { body, account } = parts;
  let blocks: readonly Block[] = [parts.head];
  let step: OutboundStep = parts.first ?? { kind: 'end' };
  let discardedBytes = 0;
  for (;;) {
    const refused = stepRefusal(step, parts.route);
    if (refused !== null) return { kind: 'refused', ...refused };
    const data = step.kind === 'data' ? step.data : [];
    const size = data.reduce((sum, block) => sum + block.length, 0);
    const last = body === null || step.kind === 'end' || body.finished;
    if (parts.discarding()) {
      discardedBytes += size;
      if (discardedBytes > LIMITS.discardBytes) return { kind: 'not-taken' };
    } else {
      blocks = [...blocks, ...frameRequest(parts, data, last)];
      if (!(await deliver(parts.upstream, blocks, parts.idleTimeoutMs)) && !parts.discarding())
        return { kind: 'not-taken' };
      account.sentBytes += size;
    }
    if (last) return { kind: 'complete' };
    blocks = [];
    const next = await nextStep(body);
    if (next === null) return { kind: 'agent-gone' };
    step = next;
  }
}

/** What a step of the body means for the request, or null when it may go on. */
export function stepRefusal(
  step: OutboundStep | null,
  route: string | null,
): { readonly refusal: Refusal; readonly findings: readonly Hit[] } | null {
  switch (step?.kind) {
    case 'found':
      return { refusal: findingsRefusal(step.findings, route), findings: step.findings };
    case 'refused':
      return { refusal: gatewayRefusal(step.status, step.reason, step.detail, route), findings: [] };
    case 'broken':
      return {
        refusal: gatewayRefusal(400, 'bad_request', `the body is not well-formed: ${step.why}`, route),
        findings: [],
      };
    default:
      return null;
  }
}

type FindingReason = 'known_secret' | 'token_pattern' | 'unscannable' | 'placeholder_out_of_place';

const FINDING_WORDS: Readonly<Record<FindingReason, string>> = {
  known_secret: 'it carries a value of this bottle that must not leave',
  token_pattern: 'it carries what has the format of a credential',
  unscannable: 'it unfolds to more than is looked through',
  placeholder_out_of_place: 'the stand-in of a value is where this route does not declare it',
};

/** The gravest of them names the refusal. */
export function findingsReason(findings: readonly Hit[]): FindingReason {
  const rules = new Set(findings.map(({ rule }) => rule));
  for (const reason of ['known_secret', 'token_pattern', 'unscannable'] as const) if (rules.has(reason)) return reason;
  return 'placeholder_out_of_place';
}

export function findingsRefusal(findings: readonly Hit[], route: string | null): Refusal {
  const places = [...new Set(findings.map(({ name, place }) => `${name} in the ${place}`))].join(', ');
  const reason = findingsReason(findings);
  return gatewayRefusal(403, reason, `${FINDING_WORDS[reason]}: ${places}`, route);
}

async function nextStep(body: OutboundBody): Promise<OutboundStep | null> {
  try {
    return await body.next();
  } catch (failure) {
    if (failure instanceof WireError) return null;
    throw failure;
  }
}

async function deliver(upstream: Wire, blocks: readonly Block[], timeoutMs: number): Promise<boolean> {
  if (blocks.length === 0) return true;
  try {
    if (!upstream.writeAll(blocks)) await upstream.drained(timeoutMs);
    return true;
  } catch (failure) {
    if (failure instanceof WireError) return false;
    throw failure;
  }
}

function frameRequest(
  { framing, body }: UploadParts,
  data: readonly Uint8Array[],
  last: boolean,
): readonly Uint8Array[] {
  if (framing.kind !== 'chunked') return data;
  const chunks = data.filter((block) => block.length > 0).map(encodeChunk);
  // A credential of the agent's own has no other way in than the head, where it is taken away.
  const trailers = (body?.trailers ?? []).filter(([name]) => !isCredentialHeader(name));
  return last ? [...chunks, encodeLastChunk(trailers)] : chunks;
}
