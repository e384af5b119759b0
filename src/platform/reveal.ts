import type { Secret } from '../kernel/secret.ts';

/**
 * Every reason there is to look at a secret's value. The list is closed, so a new use shows up in review as a new
 * member and not as one more call.
 */
export type RevealPurpose =
  /** Put into a request after the scan, for an upstream whose TLS was verified. */
  | 'inject'
  /** Searched for in what leaves, masked in what comes back. */
  | 'scan'
  /** Keyed fingerprint for records (SECURITY S25). */
  | 'fingerprint'
  /** Compared with what a caller presented. */
  | 'compare'
  /** Classified as strong or weak before it is used (SECURITY S14). */
  | 'classify'
  /** Written to the pipe of the process that needs it. */
  | 'pipe';

/** The one place where a secret's value comes out. */
export function reveal(secret: Secret, purpose: RevealPurpose): string {
  void purpose;
  return secret.expose();
}
