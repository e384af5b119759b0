import { z } from 'zod';
import { DecisionRecordSchema } from '../../schema/decision.ts';
import { decodeJson } from '../../schema/json.ts';

/** As much of a decision record as is shown: one of another version may have more, or other words. */
const ShownRecordSchema = z.looseObject({
  ...DecisionRecordSchema.shape,
  decision: z.string(),
  reason: z.string(),
  entry: z.string(),
  ended: z.string(),
  findings: z.array(z.looseObject({ rule: z.string(), place: z.string(), name: z.string() })),
  bytes: z.looseObject({ sent: z.number(), received: z.number() }),
  timings: z.looseObject(DecisionRecordSchema.shape.timings.shape),
});
export type ShownRecord = z.infer<typeof ShownRecordSchema>;

/** One line of a bottle's log: a request that ended, or what a service said. */
export type Entry = {
  readonly slug: string;
  /** Milliseconds since the epoch: when it was written, so that files in their own order make one order. */
  readonly at: number;
  /** The line for programs. */
  readonly json: string;
} & (
  | { readonly kind: 'request'; readonly record: ShownRecord }
  | { readonly kind: 'service'; readonly time: string; readonly service: string; readonly text: string }
);

export type ReadEntry = (slug: string, line: string) => Entry | null;

/** A request is one entry, when it has ended; lines of other kinds belong to other readers. */
export const requestEntry: ReadEntry = (slug, line) => {
  // Every request has a line of another kind too; most of the work is not to look at those.
  if (!line.includes('"event":"ended"')) return null;
  const record = decodeJson(ShownRecordSchema, line);
  if (!record.ok) return null;
  const { time, timings } = record.value;
  return { kind: 'request', slug, at: Date.parse(time) + timings.endedMs, json: line, record: record.value };
};

/** `2026-11-20T22:35:48.123Z egress: words` as the launcher writes it. */
const SERVICE_LINE = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) ([a-z]+): (.*)$/;

export const serviceEntry: ReadEntry = (slug, line) => {
  const [, time, service = '', text = ''] = SERVICE_LINE.exec(line) ?? [];
  if (time === undefined) return null;
  const json = JSON.stringify({ time, slug, service, text });
  return { kind: 'service', slug, at: Date.parse(time), json, time, service, text };
};
