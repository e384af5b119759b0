/**
 * Three failures, three mechanisms: a verdict is a value (`schema/decision.ts`), an operational failure is a
 * `BottleError` with a stable code, a bug is a `BugError` and closes whatever it happened in.
 */

/** Exit codes of our own failures; the agent's own code is passed on untouched. */
export const EXIT = { failure: 1, usage: 2, refused: 3 } as const;

/** Every operational failure there is. The strings are stable: scripts and `docs/errors.md` use them. */
export const ERROR_CODES = [
  'usage',
  'manifest_invalid',
  'manifest_not_found',
  'settings_invalid',
  'feature_missing',
  'secret_missing',
  'secret_weak',
  'secret_invalid',
  'resource_unavailable',
  'backend_unavailable',
  'backend_unknown',
  'engine_failed',
  'image_missing',
  'tool_missing',
  'launch_failed',
  'not_ready',
  'not_confined',
  'bundle_ended',
  'workspace_invalid',
  'bottle_not_found',
  'bottle_busy',
  'state_invalid',
  'listen_failed',
  'git_failed',
  'upstream_failed',
  'cleanup_incomplete',
  'provider_failed',
  'config_invalid',
  'file_exists',
  'editor_failed',
  'migration_failed',
  'cancelled',
  'audit_invalid',
  'proposal_refused',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** A place in a file a person wrote: 1-based line and column. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface BottleErrorDetails {
  /** What is wrong, in the user's own names; no full stop needed, never a secret's value. */
  readonly message: string;
  /** Where: `bottles/acme.md:12:9` is printed from it. */
  readonly position?: SourcePosition;
  /** The key path the message is about, e.g. `egress.routes[1].matches[0].method`. */
  readonly key?: string;
  /** A command or line that fixes it, ready to paste. */
  readonly hint?: string;
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/** An operational failure: something outside the code is not as it must be, and a person can change that. */
export class BottleError extends Error {
  readonly code: ErrorCode;
  readonly position: SourcePosition | undefined;
  readonly key: string | undefined;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(code: ErrorCode, details: BottleErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'BottleError';
    this.code = code;
    this.position = details.position;
    this.key = details.key;
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? (code === 'usage' ? EXIT.usage : EXIT.failure);
  }
}

/** A broken assumption of the code itself. Never caught to carry on: the connection or launch it happened in ends. */
export class BugError extends Error {
  override readonly name = 'BugError';
}
