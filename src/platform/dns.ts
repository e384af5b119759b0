import { Resolver as CaresResolver } from 'node:dns/promises';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok } from '../kernel/result.ts';
import type { Resolver } from '../ports/resolver.ts';

const ABSENT: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);

interface ResolverOptions {
  /** `address:port` of name servers other than the system's. */
  readonly servers?: readonly string[];
  readonly timeoutMs?: number;
}

/** The system's name servers, asked directly: neither the hosts file nor a search list takes part. */
export function createSystemResolver({ servers, timeoutMs = LIMITS.dnsTimeoutMs }: ResolverOptions = {}): Resolver {
  const resolver = new CaresResolver({ timeout: timeoutMs / 2, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  return {
    async resolve(name) {
      const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
      const addresses = [
        ...(v4.status === 'fulfilled' ? v4.value : []),
        ...(v6.status === 'fulfilled' ? v6.value : []),
      ];
      if (addresses.length > 0) return ok(addresses);
      const codes = [v4, v6].flatMap((answer) => (answer.status === 'rejected' ? [codeOf(answer.reason)] : []));
      return err(codes.find((code) => !ABSENT.has(code)) ?? codes[0] ?? 'ENODATA');
    },
  };
}

function codeOf(reason: unknown): string {
  return reason instanceof Error && 'code' in reason && typeof reason.code === 'string' ? reason.code : 'EUNKNOWN';
}
