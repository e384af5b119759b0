import type { Verdict } from '../policy/decide.ts';
import type { Filled } from './filled-request.ts';
import type { RecordedFinding } from './record.ts';
import type { Refusal } from './refusals.ts';

export type Allowed = Extract<Verdict, { readonly kind: 'allow' }>;

/** A request that goes out, with what was put into it. */
export interface Sent {
  readonly verdict: Allowed;
  readonly filled: Filled;
}

/** Why a request that was under way was broken off, by us or by the agent. */
export type Halt =
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly findings: readonly RecordedFinding[] }
  | { readonly kind: 'agent-gone' };
