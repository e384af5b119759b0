import { err, ok, type Result } from '../kernel/result.ts';
import type { Explanation } from '../schema/decision.ts';
import type { Header } from '../schema/header.ts';
import type { Policy } from './compile.ts';
import { decideEgress, type RequestFacts } from './decide.ts';
import { parseAuthority } from './host.ts';

/** `explain METHOD URL`: the very decision function of the gateway, asked without any network. */
export interface ExplainInput {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly Header[];
}

const DEFAULT_PORT = { http: 80, https: 443 } as const;

/** The facts that the request would have at the gateway; the URL's path is kept as written, not normalised. */
export function explainFacts(input: ExplainInput): Result<RequestFacts, string> {
  const problem = problemOf(input);
  if (problem !== null) return err(problem);
  const [, schemeText, hostText, rest] = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(input.url) ?? [];
  if (schemeText === undefined || hostText === undefined || rest === undefined) {
    return err('a URL begins with http:// or https:// and a host');
  }
  const scheme = schemeText.toLowerCase() === 'https' ? 'https' : 'http';
  if (hostText.includes('@')) return err('a user name or password in a URL is never sent; use -H for a header');
  if (/^[^[].*:.*:/.test(hostText)) return err('an IPv6 address stands in brackets');
  const parsed = parseAuthority(hostText);
  if (!parsed.ok) return err(`the host can't be read: ${parsed.error}`);
  const authority = { host: parsed.value.host, port: parsed.value.port ?? DEFAULT_PORT[scheme] };
  const hosts = input.headers.some(([name]) => name.toLowerCase() === 'host');
  return ok({
    entry: 'explain',
    scheme,
    authority,
    connect: scheme === 'https' ? authority : null,
    sni: null,
    method: input.method.toUpperCase(),
    target: rest.startsWith('/') ? rest : `/${rest}`,
    headers: hosts ? input.headers : [['Host', hostText], ...input.headers],
  });
}

/** What no request line could carry, so that an answer would be about another request than the one meant. */
function problemOf({ method, url }: ExplainInput): string | null {
  if (!/^[A-Za-z]+(?:-[A-Za-z]+)*$/.test(method)) return `${method} is not a method`;
  if (!/^[!-~]*$/.test(url)) return 'a character that must be escaped, as in %20';
  return url.includes('\\') ? 'a backslash, which clients read differently; write / or %5C' : null;
}

export function explainEgress(policy: Policy, facts: RequestFacts): Explanation {
  const verdict = decideEgress(policy, facts);
  const trace = [...verdict.trace];
  if (verdict.kind === 'allow') return { decision: 'allow', reason: 'allowed', route: verdict.route.id, trace };
  return { decision: 'deny', reason: verdict.reason, route: verdict.route, trace };
}
