import { findRoute, type Policy } from './compile.ts';
import { noRoute, type Denial } from './decide.ts';
import { normaliseHost } from './host.ts';
import { adviceFor } from './refusal.ts';

/**
 * The first word on a CONNECT: a host that no route names is refused before any TLS. Yes means no more than "go on":
 * every request inside is decided again by `decideEgress`.
 */
export type ConnectVerdict = { readonly kind: 'allow'; readonly route: string } | Denial;

export function decideConnect(
  policy: Policy,
  authority: { readonly host: string; readonly port: number },
): ConnectVerdict {
  const deny = (refusal: Pick<Denial, 'status' | 'reason' | 'detail'>): Denial => ({
    kind: 'deny',
    ...refusal,
    route: null,
    advice: adviceFor(refusal.reason, { supervise: policy.supervise, ...authority }),
    trace: [{ check: 'connect', outcome: 'refused', detail: refusal.detail }],
  });
  const host = normaliseHost(authority.host);
  if (!host.ok) return deny({ status: 400, reason: 'bad_request', detail: `the host can't be read: ${host.error}` });
  const route = findRoute(policy, host.value, authority.port);
  return route === null ? deny(noRoute(host.value, authority.port)) : { kind: 'allow', route: route.compiled.id };
}
