import fs from 'node:fs';
import { DecisionRecordSchema } from '../../schema/decision.ts';
import { decodeJson } from '../../schema/json.ts';

/** Decisions by kind, counted from a bottle's record; lines that are no decision records are of another kind. */
export interface DecisionCounts {
  readonly allow: number;
  readonly deny: number;
  readonly hold: number;
  readonly redact: number;
}

export function countDecisions(record: string): DecisionCounts {
  const counts = { allow: 0, deny: 0, hold: 0, redact: 0 };
  if (!fs.existsSync(record)) return counts;
  for (const line of fs.readFileSync(record, 'utf8').split('\n')) {
    const decision = decodeJson(DecisionRecordSchema, line);
    if (decision.ok) counts[decision.value.decision] += 1;
  }
  return counts;
}
