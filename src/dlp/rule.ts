/**
 * A vendor's credential format as data. What the vendors say about theirs (prefix, length, alphabet) is public; the
 * patterns are ours.
 *
 * The examples are recipes, not credentials: `{A36}` stands for 36 characters that a seeded generator makes when a test
 * runs. So a forge that scans this repository finds nothing to report, and a recipe says what it means. Letters:
 * `A` letters and digits, `a` lower-case letters and digits, `U` upper-case letters and digits, `L` letters, `l` lower-case
 * letters, `d` digits, `x` hex, `X` upper-case hex, `b` base64, `w` base64url, `B` upper-case base32,
 * `c` base58, `k` and `K` bech32 in either case, and `{u}` a UUID.
 */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * `session`: what requests carry by design, signed URLs, cookies and bearer tokens of the service itself; looked for in
 * bodies only. `personal`: no credential of a service; not looked for on providers' routes, whose conversations are full
 * of numbers and words.
 */
export type RuleKind = 'credential' | 'session' | 'personal';

/** `mixed`: letters, and digits or capitals all over them. */
export type Checksum = 'luhn' | 'iban' | 'mixed';

export interface RuleExamples {
  readonly match: readonly string[];
  /** Near misses: what looks like it and is not. */
  readonly miss: readonly string[];
}

export interface Rule {
  readonly id: string;
  readonly vendor: string;
  /** At least one of them stands in every match. */
  readonly keywords: readonly string[];
  /** In RE2's syntax, over bytes: `pattern/syntax.ts`. */
  readonly pattern: string;
  /** What looks for it where a pattern would begin everywhere; the pattern then only says what it looks like. */
  readonly engine?: 'seed-phrase';
  /** The group that is the secret itself; 0, the default, is the whole match. */
  readonly secretGroup?: number;
  /** Bits per character that the secret must have (Shannon). */
  readonly entropy?: number;
  /** Secrets that are none, by patterns of which one matches somewhere in them. */
  readonly allow?: readonly string[];
  /** The same for the whole match, whatever the secret in it is. */
  readonly allowMatch?: readonly string[];
  readonly checksum?: Checksum;
  /** `credential` when absent. */
  readonly kind?: RuleKind;
  readonly severity: Severity;
  /** The vendor's own word on it. */
  readonly docs: string;
  readonly examples: RuleExamples;
}
