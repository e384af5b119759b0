import { fingerprint } from '../dlp/fingerprint.ts';
import { builtInRules } from '../dlp/rules/index.ts';
import type { RuleKind } from '../dlp/rule.ts';
import { joinChecked } from '../dlp/operator-rules.ts';
import { buildRuleSet, type RuleSet } from '../dlp/rule-set.ts';
import type { TokenScannerParts } from '../dlp/token-scanner.ts';
import { NO_OPERATOR_RULES, type OperatorRules } from '../schema/operator-rules.ts';

/** The rules that count in one place; compiled when something is first looked through, and again when they change. */
class RulesOfKinds implements TokenScannerParts {
  readonly mark: TokenScannerParts['mark'];
  readonly #kinds: readonly RuleKind[];
  readonly #operators: () => OperatorRules;
  #made: { readonly from: OperatorRules; readonly rules: RuleSet } | null = null;

  constructor(kinds: readonly RuleKind[], mark: TokenScannerParts['mark'], operators: () => OperatorRules) {
    this.#kinds = kinds;
    this.mark = mark;
    this.#operators = operators;
  }

  get rules(): RuleSet {
    const from = this.#operators();
    if (this.#made?.from !== from) this.#made = { from, rules: this.#build(from) };
    return this.#made.rules;
  }

  #build(operators: OperatorRules): RuleSet {
    const { rules, allow } = joinChecked(builtInRules(), operators);
    return buildRuleSet(
      rules.filter(({ rule }) => this.#kinds.includes(rule.kind ?? 'credential')),
      allow,
    );
  }
}

/** The formats of credentials that one bottle's requests are looked through for. */
export interface TokenRules {
  /** Heads carry sessions' own tokens by design: signed URLs, cookies, bearer tokens. */
  readonly head: TokenScannerParts;
  readonly body: TokenScannerParts;
}

export function createTokenRules(
  hmacHex: (text: string) => string,
  standIns: readonly string[],
  operators: () => OperatorRules = () => NO_OPERATOR_RULES,
): TokenRules {
  const mark = (secret: Uint8Array): string | null => {
    const text = Buffer.from(secret).toString('latin1');
    // A stand-in has the shape of what it stands for.
    return standIns.some((standIn) => text.includes(standIn)) ? null : fingerprint(hmacHex, text);
  };
  return {
    head: new RulesOfKinds(['credential'], mark, operators),
    body: new RulesOfKinds(['credential', 'session', 'personal'], mark, operators),
  };
}
