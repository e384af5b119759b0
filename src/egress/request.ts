import { err, ok, type Result } from '../kernel/result.ts';
import type { RequestFacts } from '../policy/decide.ts';
import { bracketed, parseAuthority } from '../policy/host.ts';
import type { RequestHead } from '../protocol/http1/head.ts';
import { headerValues } from './headers.ts';

export interface Authority {
  readonly host: string;
  readonly port: number;
}

/** How the agent came to the point where its request head was read. */
export type Approach =
  /** The explicit proxy: CONNECT, or a request in absolute form. */
  | { readonly kind: 'proxy' }
  /** Inside a CONNECT; `https` after interception, `http` when the tunnel carried plain HTTP. */
  | {
      readonly kind: 'tunnel';
      readonly scheme: 'http' | 'https';
      readonly connect: Authority;
      readonly sni: string | null;
      /** Each request is a stream of HTTP/2. */
      readonly multiplexed?: true;
    }
  | { readonly kind: 'transparent-tls'; readonly sni: string; readonly multiplexed?: true }
  | { readonly kind: 'transparent-http' };

const DEFAULT_PORT = { http: 80, https: 443 } as const;
const ABSOLUTE_FORM = /^http:\/\/([^/?]*)(.*)$/is;
/** Names by which a bottle reaches the gateway itself, on port 80 and on the proxy's port. */
const OWN_AUTHORITY = /^(?:_egress\.local|egress)(?::(?:80|9099))?$/i;

/** What the policy is asked about; an error is a request that no entry can make sense of. */
export function readFacts(approach: Approach, head: RequestHead): Result<RequestFacts, string> {
  const { method, headers } = head;
  switch (approach.kind) {
    case 'proxy': {
      const absolute = splitAbsoluteForm(head.target);
      if (absolute === null) return err('a proxy request names its host: CONNECT host:port, or GET http://host/path');
      const authority = authorityOf(absolute.authority, DEFAULT_PORT.http);
      if (!authority.ok) return authority;
      const { target } = absolute;
      return ok({
        entry: 'absolute',
        scheme: 'http',
        authority: authority.value,
        connect: null,
        sni: null,
        method,
        target,
        headers,
      });
    }
    case 'tunnel': {
      const { scheme, connect, sni } = approach;
      const streams = approach.multiplexed === undefined ? {} : { multiplexed: approach.multiplexed };
      const { target } = head;
      return ok({ entry: 'connect', scheme, authority: connect, connect, sni, method, target, headers, ...streams });
    }
    case 'transparent-tls': {
      const authority = { host: approach.sni, port: DEFAULT_PORT.https };
      const { sni } = approach;
      return ok({
        entry: 'transparent-tls',
        scheme: 'https',
        authority,
        connect: null,
        sni,
        method,
        target: head.target,
        headers,
        ...(approach.multiplexed === undefined ? {} : { multiplexed: approach.multiplexed }),
      });
    }
    case 'transparent-http': {
      const [host] = headerValues(headers, 'host');
      const authority = authorityOf(host ?? '', DEFAULT_PORT.http);
      if (!authority.ok) return authority;
      const { target } = head;
      return ok({
        entry: 'transparent-http',
        scheme: 'http',
        authority: authority.value,
        connect: null,
        sni: null,
        method,
        target,
        headers,
      });
    }
  }
}

/** The target of a request to the gateway itself (`http://_egress.local/allowlist`), or null for all others. */
export function ownTarget(approach: Approach, head: RequestHead): string | null {
  if (approach.kind !== 'proxy' && approach.kind !== 'transparent-http') return null;
  const absolute = splitAbsoluteForm(head.target);
  if (absolute !== null) return OWN_AUTHORITY.test(absolute.authority) ? absolute.target : null;
  const [host] = headerValues(head.headers, 'host');
  return head.target.startsWith('/') && OWN_AUTHORITY.test(host ?? '') ? head.target : null;
}

/** The authority as text, without the port that the scheme implies. */
export function authorityText(scheme: 'http' | 'https', authority: Authority): string {
  const host = bracketed(authority.host);
  return authority.port === DEFAULT_PORT[scheme] ? host : `${host}:${String(authority.port)}`;
}

function authorityOf(text: string, defaultPort: number): Result<Authority, string> {
  const parsed = parseAuthority(text);
  return parsed.ok ? ok({ host: parsed.value.host, port: parsed.value.port ?? defaultPort }) : parsed;
}

function splitAbsoluteForm(target: string): { readonly authority: string; readonly target: string } | null {
  const [, authority, rest] = ABSOLUTE_FORM.exec(target) ?? [];
  if (authority === undefined || rest === undefined) return null;
  return { authority, target: rest.startsWith('/') ? rest : `/${rest}` };
}
