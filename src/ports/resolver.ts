import type { Result } from '../kernel/result.ts';

/**
 * Turns a name into addresses. The name is absolute: no search list, no hosts file, so that what is checked (SECURITY
 * S21) is what the public name means.
 */
export interface Resolver {
  resolve(name: string): Promise<Result<readonly string[], string>>;
}
