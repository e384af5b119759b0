import type { Screen } from '../dlp/screen.ts';
import type { AuditSink } from '../ports/audit-sink.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

/** A question that only the operator can answer. */
export interface GateQuestion {
  readonly repo: string;
  readonly text: string;
}

export type GateAnswer = { readonly approved: true } | { readonly approved: false; readonly text: string };

/** What every request to the gate needs, whatever repository it is about. */
export interface GateCore {
  readonly slug: string;
  readonly screen: Screen;
  readonly redact: (text: string) => string;
  readonly sink: AuditSink;
  readonly clock: Clock;
  readonly random: Random;
  /** The directory with the gate's own hook. */
  readonly hooks: string;
  /** Where lists of objects are kept while a push is under way. */
  readonly lists: string;
  readonly ask: (question: GateQuestion) => Promise<GateAnswer>;
}

/** Nobody can be asked: what needs an answer is denied, and says what the operator can write instead. */
export function askNobody({ repo }: GateQuestion): Promise<GateAnswer> {
  return Promise.resolve({
    approved: false,
    text: `the operator can't be asked about a push yet; they can allow it under git-gate.repos.${repo} of the bottle`,
  });
}
