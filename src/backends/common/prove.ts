import { z } from 'zod';
import { BottleError } from '../../kernel/errors.ts';
import type { Proof, ProofContext, WallCheck } from '../../ports/backend.ts';
import { decodeJson } from '../../schema/json.ts';
import type { Questions } from '../probe/frames.ts';
import { INSIDE_IDS } from '../probe/inspect.ts';
import { openJudges } from './judges.ts';

const ReportSchema = z.array(
  z.strictObject({ id: z.enum(INSIDE_IDS), expected: z.string(), seen: z.string(), held: z.boolean() }),
);

export interface ProofParts {
  readonly context: ProofContext;
  /** Things of the host that must not be there inside. */
  readonly absent: readonly string[];
  /** Puts the questions to the probe. */
  readonly ask: (questions: Questions) => void;
  /** The probe's answer, a line of JSON. */
  readonly report: Promise<string>;
  /** What is seen of the bottle from outside, once it runs. */
  readonly outside: () => Promise<readonly WallCheck[]>;
}

/** Asks the inside, the judges, the gateway and the kernel (SECURITY S4). Silence of any of them is a failure. */
export async function proveWalls({ context, absent, ask, report, outside: look }: ProofParts): Promise<Proof> {
  const givenUp = new AbortController();
  const deadline = AbortSignal.any([AbortSignal.timeout(context.deadlineMs), givenUp.signal]);
  await using judges = await openJudges(context.nonce);
  ask({ nonce: context.nonce, judges: judges.addresses, absent });
  const inside = await answered(report.then(insideChecks), deadline);
  const outside = await answered(look(), deadline);
  // What is open already is open: nobody waits for a gateway that the probe could not reach.
  if ('why' in inside || inside.value.some(({ held }) => !held)) givenUp.abort();
  const nonce = await answered(
    context.gatewaySaw.then(() => true),
    deadline,
  );
  const seen = await answered(judges.verdict(), deadline);
  const checks = [
    ...('why' in inside ? [silent('probe-answers', 'inside', inside)] : inside.value),
    ...('why' in outside ? [silent('kernel-account', 'outside', outside)] : outside.value),
    verdictCheck('gateway-saw-probe', 'the nonce', 'why' in nonce ? [nonce.why] : []),
    verdictCheck('judges-saw-nothing', 'nothing', 'why' in seen ? [seen.why] : seen.value),
  ];
  return { held: checks.every(({ held }) => held), checks };
}

interface Silence {
  readonly why: string;
}

/** Silence when the deadline came first or the one who was asked could not answer. */
async function answered<Value>(
  question: Promise<Value>,
  deadline: AbortSignal,
): Promise<{ readonly value: Value } | Silence> {
  const { promise, resolve } = Promise.withResolvers<Silence>();
  const late = (): void => {
    resolve({ why: 'no answer before the deadline' });
  };
  if (deadline.aborted) late();
  deadline.addEventListener('abort', late, { once: true });
  try {
    return await Promise.race([question.then((value) => ({ value })), promise]);
  } catch (failure) {
    if (failure instanceof BottleError) return { why: failure.message };
    throw failure;
  } finally {
    deadline.removeEventListener('abort', late);
  }
}

function insideChecks(line: string): readonly WallCheck[] {
  const report = decodeJson(ReportSchema, line);
  if (!report.ok) return [silent('probe-answers', 'inside', { why: report.error })];
  return INSIDE_IDS.map((id) => {
    const found = report.value.find((entry) => entry.id === id);
    if (found === undefined) return silent(id, 'inside', { why: 'not reported' });
    return { ...found, guarantee: NETWORK_IDS.has(id) ? 'G-NET' : 'G-CONFINED', from: 'inside' };
  });
}

const NETWORK_IDS: ReadonlySet<string> = new Set([
  'loopback-only',
  'outside-unreachable',
  'dns-outside-unreachable',
  'judges-unreachable',
  'gateway-answers',
]);

function verdictCheck(id: string, expected: string, wrong: readonly string[]): WallCheck {
  const held = wrong.length === 0;
  return { id, guarantee: 'G-NET', from: 'outside', expected, seen: held ? expected : wrong.join(', '), held };
}

function silent(id: string, from: WallCheck['from'], { why }: Silence): WallCheck {
  return { id, guarantee: 'G-CONFINED', from, expected: 'an answer', seen: why, held: false };
}
