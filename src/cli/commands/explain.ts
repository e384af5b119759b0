import fs from 'node:fs';
import { BottleError, EXIT } from '../../kernel/errors.ts';
import { buildKnownValues, type KnownValues } from '../../dlp/known-values.ts';
import { screenText, type Hit } from '../../dlp/screen.ts';
import { createTokenRules, type TokenRules } from '../../egress/token-rules.ts';
import { findingsReason } from '../../egress/upload.ts';
import { buildPlan } from '../../launch/plan.ts';
import { compilePolicy } from '../../policy/compile.ts';
import { decideEgress, type Verdict } from '../../policy/decide.ts';
import { explainEgress, explainFacts } from '../../policy/explain.ts';
import { reveal } from '../../platform/reveal.ts';
import type { Explanation } from '../../schema/decision.ts';
import type { Header } from '../../schema/header.ts';
import { NO_OPERATOR_RULES } from '../../schema/operator-rules.ts';
import type { CliContext } from '../context.ts';
import { ExplainOptionsSchema } from '../options.ts';
import { table } from '../terminal.ts';
import { gatewayInput } from './prepare.ts';

/** The gateway's own decision function, asked without any network. Values that are not set on this host are not scanned for. */
export async function explain(
  context: CliContext,
  method: string,
  url: string,
  raw: Record<string, unknown>,
): Promise<number> {
  const options = ExplainOptionsSchema.parse(raw);
  const bottle = context.manifests().loadEffective(options.bottle);
  const { plan, secrets } = buildPlan(gatewayInput(context, bottle, 'explain'));
  const policy = compilePolicy(plan.gateway);
  if (!policy.ok) throw new BottleError('manifest_invalid', { message: policy.error.join('\n') });
  const facts = explainFacts({ method, url, headers: options.header.map(parseHeader) });
  if (!facts.ok)
    throw new BottleError('usage', {
      message: `${url}: ${facts.error}`,
      hint: 'bot-bottle explain GET https://example.com/',
    });
  const values = secrets.flatMap((request) => {
    const variable = request.from.kind === 'host' ? request.from.variable : null;
    const value =
      variable === null
        ? context.secrets.preparedAnswer(request.name.replace(/^env:/, ''))
        : context.secrets.hostVariable(variable);
    return value === null ? [] : [{ name: variable ?? request.name, value: reveal(value, 'scan') }];
  });
  const known = buildKnownValues(values);
  const body = options.data === undefined ? '' : readBody(options.data);
  const verdict = decideEgress(policy.value, facts.value);
  const rules = createTokenRules(
    () => '',
    [],
    () => plan.gateway.rules ?? NO_OPERATOR_RULES,
  );
  const findings = verdict.kind === 'allow' ? scanAll({ known, rules }, verdict, facts.value, body) : [];
  const explanation = withFindings(explainEgress(policy.value, facts.value), findings);
  print(context, explanation, options.json);
  return Promise.resolve(explanation.decision === 'allow' ? 0 : EXIT.refused);
}

function parseHeader(line: string): Header {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(line);
  if (match === null)
    throw new BottleError('usage', { message: `-H '${line}' is not a header`, hint: "-H 'accept: text/html'" });
  return [match[1] ?? '', match[2] ?? ''];
}

function readBody(option: string): string {
  const file = option.startsWith('@') ? option.slice(1) : option;
  try {
    return fs.readFileSync(file, 'latin1');
  } catch (cause) {
    throw new BottleError('usage', { message: `--data ${option} can't be read`, hint: '--data @FILE', cause });
  }
}

interface Scannable {
  readonly authority: { readonly host: string };
  readonly target: string;
  readonly headers: readonly Header[];
}

type Allowed = Extract<Verdict, { readonly kind: 'allow' }>;

interface LookedFor {
  readonly known: KnownValues;
  readonly rules: TokenRules;
}

function scanAll(
  { known: values, rules }: LookedFor,
  verdict: Allowed,
  facts: Scannable,
  body: string,
): readonly Hit[] {
  const { knownSecrets, tokenPatterns } = verdict.forward.outbound;
  const known = knownSecrets ? values : null;
  const head = { known, tokens: tokenPatterns ? rules.head : null };
  const inBody = { known, tokens: tokenPatterns && verdict.route.origin !== 'provider' ? rules.body : null };
  return [
    ...screenText(head, facts.authority.host, 'host'),
    ...screenText(head, facts.target, 'path'),
    ...facts.headers.flatMap(([name, value]) => screenText(head, `${name}: ${value}`, `header ${name}`)),
    ...screenText(inBody, body, 'body'),
  ];
}

function withFindings(explanation: Explanation, findings: readonly Hit[]): Explanation {
  if (explanation.decision !== 'allow') return explanation;
  const step = { check: 'outbound', outcome: findings.length === 0 ? 'clean' : 'refused', detail: describe(findings) };
  const trace = [...explanation.trace, step];
  return findings.length === 0
    ? { ...explanation, trace }
    : { ...explanation, decision: 'deny', reason: findingsReason(findings), trace };
}

function describe(findings: readonly Hit[]): string {
  return (
    findings.map((hit) => `${hit.name} in the ${hit.place} (${wayOf(hit)})`).join(', ') ||
    'no known value and no format of a credential in it'
  );
}

const wayOf = (hit: Hit): string => (hit.rule === 'token_pattern' ? 'by its format' : hit.encoding);

function print(context: CliContext, explanation: Explanation, json: boolean): void {
  if (json) {
    context.terminal.result(JSON.stringify(explanation));
    return;
  }
  const { decision, reason, route, trace } = explanation;
  context.terminal.result(`${decision}  ${reason}${route === null ? '' : `  ${route}`}`);
  context.terminal.result(
    table(
      trace.map(({ check, outcome, detail }) => [check, outcome, detail]),
      '  ',
    ),
  );
}
