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
  readonly allow: readonly Automaton[];
}

class LazyRule implements CompiledRule {
  readonly rule: Rule;
  readonly anchor: Anchor;
  readonly window: number;
  #program: Program | null = null;
  #automaton: Automaton | null = null;
  #group: GroupFinder | null = null;
  #allow: readonly Automaton[] | null = null;

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

  get allow(): readonly Automaton[] {
    return (this.#allow ??= (this.rule.allow ?? []).map((source) => checked(this.rule, allowAutomaton(source))));
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
  for (const source of rule.allow ?? []) {
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

export function buildRuleSet(rules: readonly CompiledRule[]): RuleSet {
  const entries = rules.flatMap(({ anchor }, rule) =>
    anchor.leads.flatMap((lead) => anchor.blocks.map((block) => ({ block, candidate: { rule, lead } }))),
  );
  const lead = Math.max(0, ...rules.flatMap(({ anchor }) => anchor.leads));
  const late = rules.flatMap(({ anchor }, rule) => (Math.max(...anchor.leads) > LEAD_FREE_BYTES ? [rule] : []));
  const phrases = rules.find(({ rule }) => rule.engine === 'seed-phrase') ?? null;
  return { rules, filter: buildFilter(entries), lead, late, phrases };
}

/** Where the secret of a match lies; null when it is none after all. `bytes` has what stands round the match. */
export function secretIn(compiled: CompiledRule, bytes: Uint8Array, match: Span): Span | null {
  const { rule, group, allow } = compiled;
  const span = group === null ? match : group.find(bytes, match);
  if (span === null || span.start === span.end) return null;
  const secret = bytes.subarray(span.start, span.end);
  if (rule.entropy !== undefined && entropyOf(secret) < rule.entropy) return null;
  if (rule.checksum !== undefined && !checks(rule.checksum, secret)) return null;
  return allow.some((automaton) => matchesWhole(automaton, secret)) ? null : span;
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
