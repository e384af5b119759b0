import { Resolver as CaresResolver } from 'node:dns/promises';
import { LIMITS } from '../kernel/limits.ts';
import { err, ok } from '../kernel/result.ts';
import type { Resolver } from '../ports/resolver.ts';

const ABSENT: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);

/** The system's name servers, asked directly: neither the hosts file nor a search list takes part. */
export function createSystemResolver(): Resolver {
  const resolver = new CaresResolver({ timeout: LIMITS.dnsTimeoutMs / 2, tries: 2 });
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
