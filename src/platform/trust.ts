import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/**
 * The roots that upstreams are verified against: the system's, or Node's own where the system has none, and those the
 * operator added. Built at the first use, since reading all roots takes longer than everything else of a start.
 */
export function createTrust(extraCa: readonly string[]): () => SecureContext {
  let context: SecureContext | null = null;
  return () => (context ??= createSecureContext({ ca: [...new Set([...systemRoots(), ...extraCa])] }));
}

export function systemRoots(): readonly string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('bundled');
}
