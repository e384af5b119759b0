import { err, ok, type Result } from '../kernel/result.ts';
import type { Explanation } from '../schema/decision.ts';
import type { Header } from '../schema/header.ts';
import type { Policy } from './compile.ts';
import { decideEgress, type RequestFacts } from './decide.ts';

/** `explain METHOD URL`: the very decision function of the gateway, asked without any network. */
export interface ExplainInput {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly Header[];
}

const DEFAULT_PORT: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** The facts that the request would have at the gateway; the URL's path is kept as written, not normalised. */
export function explainFacts(input: ExplainInput): Result<RequestFacts, string> {
  const match = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(input.url);
  const [, schemeText, authorityText, rest] = match ?? [];
  if (schemeText === undefined || authorityText === undefined || rest === undefined) {
    return err('a URL begins with http:// or https:// and a host');
  }
  const scheme = schemeText.toLowerCase() === 'https' ? 'https' : 'http';
  const userInfo = authorityText.lastIndexOf('@');
  const hostText = userInfo === -1 ? authorityText : authorityText.slice(userInfo + 1);
  const portMatch = /:(\d{1,5})$/.exec(hostText);
  const host = portMatch === null ? hostText : hostText.slice(0, portMatch.index);
  const port = portMatch === null ? (DEFAULT_PORT[scheme] ?? 443) : Number(portMatch[1]);
  const hosts = input.headers.some(([name]) => name.toLowerCase() === 'host');
  const connect = scheme === 'https' ? { host, port } : null;
  return ok({
    entry: 'explain',
    scheme,
    authority: { host, port },
    connect,
    sni: null,
    method: input.method.toUpperCase(),
    target: rest.startsWith('/') ? rest : `/${rest}`,
    headers: hosts ? input.headers : [['Host', hostText], ...input.headers],
  });
}

export function explainEgress(policy: Policy, facts: RequestFacts): Explanation {
  const verdict = decideEgress(policy, facts);
  const trace = [...verdict.trace];
  if (verdict.kind === 'allow') return { decision: 'allow', reason: 'allowed', route: verdict.route.id, trace };
  return { decision: 'deny', reason: verdict.reason, route: verdict.route, trace };
}
