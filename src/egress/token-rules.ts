import { fingerprint } from '../dlp/fingerprint.ts';
import { builtInRules } from '../dlp/rules/index.ts';
import type { RuleKind } from '../dlp/rule.ts';
import { buildRuleSet, type RuleSet } from '../dlp/rule-set.ts';
import type { TokenScannerParts } from '../dlp/token-scanner.ts';

/** The rules that count in one place; compiled when something is first looked through. */
class RulesOfKinds implements TokenScannerParts {
  readonly mark: TokenScannerParts['mark'];
  readonly #kinds: readonly RuleKind[];
  #rules: RuleSet | null = null;

  constructor(kinds: readonly RuleKind[], mark: TokenScannerParts['mark']) {
    this.#kinds = kinds;
    this.mark = mark;
  }

  get rules(): RuleSet {
    return (this.#rules ??= buildRuleSet(
      builtInRules().filter(({ rule }) => this.#kinds.includes(rule.kind ?? 'credential')),
    ));
  }
}

/** The formats of credentials that one bottle's requests are looked through for. */
export interface TokenRules {
  /** Heads carry sessions' own tokens by design: signed URLs, cookies, bearer tokens. */
  readonly head: TokenScannerParts;
  readonly body: TokenScannerParts;
}

export function createTokenRules(hmacHex: (text: string) => string, standIns: readonly string[]): TokenRules {
  const mark = (secret: Uint8Array): string | null => {
    const text = Buffer.from(secret).toString('latin1');
    // A stand-in has the shape of what it stands for.
    return standIns.some((standIn) => text.includes(standIn)) ? null : fingerprint(hmacHex, text);
  };
  return {
    head: new RulesOfKinds(['credential'], mark),
    body: new RulesOfKinds(['credential', 'session', 'personal'], mark),
  };
}
