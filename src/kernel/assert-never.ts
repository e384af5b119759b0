import { BugError } from './errors.ts';

/** Ends an exhaustive switch: a new member of a closed union becomes a compile error here, and a closed door at run time. */
export function assertNever(value: never): never {
  throw new BugError(`unreachable case: ${JSON.stringify(value)}`);
}
