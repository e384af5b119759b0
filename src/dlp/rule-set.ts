import { BugError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { buildFilter, type BlockFilter } from './block-filter.ts';
import { checks } from './checksums.ts';
import { entropyOf } from './entropy.ts';
import { deriveAnchor, LEAD_FREE_BYTES, lengthOf, type Anchor } from './pattern/anchor.ts';
import { Automaton, DEAD } from './pattern/automaton.ts';
import { GroupFinder, type Span } from './pattern/groups.ts';
import { buildProgram, checkSize, type Program } from './pattern/program.ts';
import { parseRulePattern, type ParsedPattern } from './pattern/syntax.ts';
import type { Rule } from './rule.ts';

/** A rule that can be looked for. What matching takes is made when a text first needs it: most rules' never is. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly anchor: Anchor;
  /** The most bytes that a match has, or that are looked at where the pattern says no end. */
  readonly window: number;
  readonly program: Program;
  readonly automaton: Automaton;
  /** Null where the whole match is the secret. */
  readonly group: GroupFinder | null;
  readonly allow: Allowance;
}

/** What is no credential after all: patterns of which one matches somewhere. */
export interface Allowance {
  readonly secret: readonly Automaton[];
  readonly match: readonly Automaton[];
}

const NO_ALLOWANCE: Allowance = { secret: [], match: [] };

class LazyRule implements CompiledRule {
  readonly rule: Rule;
  readonly anchor: Anchor;
  readonly window: number;
  #program: Program | null = null;
  #automaton: Automaton | null = null;
  #group: GroupFinder | null = null;
  #allow: Allowance | null = null;

  constructor(rule: Rule, parsed: ParsedPattern, anchor: Anchor) {
    this.rule = rule;
    this.anchor = anchor;
    this.window = windowOf(parsed);
  }

  get program(): Program {
    return (this.#program ??= checked(this.rule, programOf(this.rule.pattern)));
  }

  get automaton(): Automaton {
    return (this.#automaton ??= new Automaton(this.program));
  }

  get group(): GroupFinder | null {
    const { secretGroup = 0 } = this.rule;
    if (secretGroup === 0) return null;
    return (this.#group ??= new GroupFinder(this.program, this.automaton, secretGroup));
  }

  get allow(): Allowance {
    const made = (sources: readonly string[] = []): readonly Automaton[] =>
      sources.map((source) => checked(this.rule, allowAutomaton(source)));
    return (this.#allow ??= { secret: made(this.rule.allow), match: made(this.rule.allowMatch) });
  }
}

/** `compileRule` has looked at all of it. */
function checked<Made>({ id }: Rule, made: Result<Made, string>): Made {
  if (!made.ok) throw new BugError(`rule ${id}: ${made.error}`);
  return made.value;
}

function programOf(source: string): Result<Program, string> {
  const parsed = parseRulePattern(source);
  return parsed.ok ? buildProgram(parsed.value) : parsed;
}

export interface RuleSet {
  readonly rules: readonly CompiledRule[];
  readonly filter: BlockFilter;
  /** How far before its block any rule's match may begin. */
  readonly lead: number;
  /** Rules whose matches begin so far before their block that too much of them would have left when it comes. */
  readonly late: readonly number[];
  /** The rule for wallets' words, if it is among them. */
  readonly phrases: CompiledRule | null;
  /** For all of them. */
  readonly allow: Allowance;
}

/** What is wrong with a rule, in words for who wrote it. */
export function compileRule(rule: Rule): Result<CompiledRule, string> {
  const parsed = parseRulePattern(rule.pattern);
  if (!parsed.ok) return parsed;
  if ((rule.secretGroup ?? 0) > parsed.value.groups) return err(`it has no group ${String(rule.secretGroup)}`);
  const anchor = rule.engine === undefined ? deriveAnchor(parsed.value) : ok({ blocks: [], leads: [] });
  if (!anchor.ok) return anchor;
  const size = checkSize(parsed.value.root);
  if (!size.ok) return size;
  for (const source of [...(rule.allow ?? []), ...(rule.allowMatch ?? [])]) {
    const problem = allowProblem(source);
    if (problem !== null) return err(`its allow pattern ${source}: ${problem}`);
  }
  return ok(new LazyRule(rule, parsed.value, anchor.value));
}

function windowOf({ root }: ParsedPattern): number {
  return Math.min(lengthOf(root).max, LIMITS.ruleWindowBytes);
}

/** Many rules allow the same. */
const allowProblems = new Map<string, string | null>();
const allowAutomata = new Map<string, Result<Automaton, string>>();

function allowProblem(source: string): string | null {
  const known = allowProblems.get(source);
  if (known !== undefined) return known;
  const parsed = parseRulePattern(source);
  const size = parsed.ok ? checkSize(parsed.value.root) : parsed;
  const problem = size.ok ? null : size.error;
  allowProblems.set(source, problem);
  return problem;
}

/** Matches a secret that the pattern matches somewhere. */
function allowAutomaton(source: string): Result<Automaton, string> {
  const known = allowAutomata.get(source);
  if (known !== undefined) return known;
  const program = programOf(`(?s:.*)(?:${source})(?s:.*)`);
  const made = program.ok ? ok(new Automaton(program.value)) : program;
  allowAutomata.set(source, made);
  return made;
}

export function buildRuleSet(rules: readonly CompiledRule[], allow: Allowance = NO_ALLOWANCE): RuleSet {
  const entries = rules.flatMap(({ anchor }, rule) =>
    anchor.leads.flatMap((lead) => anchor.blocks.map((block) => ({ block, candidate: { rule, lead } }))),
  );
  const lead = Math.max(0, ...rules.flatMap(({ anchor }) => anchor.leads));
  const late = rules.flatMap(({ anchor }, rule) => (Math.max(...anchor.leads) > LEAD_FREE_BYTES ? [rule] : []));
  const phrases = rules.find(({ rule }) => rule.engine === 'seed-phrase') ?? null;
  return { rules, filter: buildFilter(entries), lead, late, phrases, allow };
}

/** What is allowed whichever rule it is. */
export function compileAllowance(
  patterns: readonly { readonly target: 'secret' | 'match'; readonly pattern: string }[],
): Result<Allowance, string> {
  const made: Record<'secret' | 'match', Automaton[]> = { secret: [], match: [] };
  for (const { target, pattern } of patterns) {
    const automaton = allowAutomaton(pattern);
    if (!automaton.ok) return err(`the allow pattern ${pattern}: ${automaton.error}`);
    made[target].push(automaton.value);
  }
  return ok(made);
}

/** Where the secret of a match lies; null when it is none after all. `bytes` has what stands round the match. */
export function secretIn(set: RuleSet, compiled: CompiledRule, bytes: Uint8Array, match: Span): Span | null {
  const { rule, group } = compiled;
  // A group that took no part says nothing about which part of the match is secret.
  const span = group?.find(bytes, match) ?? match;
  if (span.start === span.end) return null;
  const secret = bytes.subarray(span.start, span.end);
  if (rule.entropy !== undefined && entropyOf(secret) < rule.entropy) return null;
  if (rule.checksum !== undefined && !checks(rule.checksum, secret)) return null;
  const isAllowed = ({ secret: its, match: whole }: Allowance): boolean =>
    its.some((automaton) => matchesWhole(automaton, secret)) ||
    whole.some((automaton) => matchesWhole(automaton, bytes.subarray(match.start, match.end)));
  return isAllowed(compiled.allow) || isAllowed(set.allow) ? null : span;
}

function matchesWhole(automaton: Automaton, text: Uint8Array): boolean {
  const { classes, width } = automaton;
  let { table, state } = automaton.start(-1);
  for (let at = 0; at < text.length; at += 1) {
    const byteClass = classes[text[at] ?? 0] ?? 0;
    let next = table.next[state * width + byteClass] ?? DEAD;
    if (next < DEAD) {
      ({ table, state } = automaton.extend({ table, state }, byteClass));
      next = table.next[state * width + byteClass] ?? DEAD;
    }
    if (next === DEAD) return false;
    state = next;
  }
  return automaton.accepts({ table, state }, -1);
}
