import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Entry, Reason, TraceStep } from '../schema/decision.ts';
import type { CompiledRoute } from '../schema/gateway-config.ts';
import type { Header } from '../schema/header.ts';
import type { Placeholder } from '../schema/route.ts';
import { findRoute, resolveTarget, type Policy, type PolicyRoute } from './compile.ts';
import { carriesCredential, headerKey, splitTarget, stripCredentials, type Injection } from './credentials.ts';
import { decodings, parameterNames } from './decoding.ts';
import { gitUse, writesRepository } from './git.ts';
import { authorityText, normaliseHost, parseAuthority, type NormalHost } from './host.ts';
import { matchAny } from './match.ts';
import { pathReadings, type PathProblem } from './path-readings.ts';
import { checkSealed } from './passthrough.ts';
import { mintPermit, type Permit } from './permit.ts';
import { readUpgrade } from './websocket.ts';
import { withoutPlaces } from './placeholders.ts';
import { adviceFor } from './refusal.ts';

/**
 * The one decision (G-ONE): every way in gives the facts of a request, and every effect needs the `Permit` minted at
 * the end. Pure: no name is resolved and nothing is dialled before it has answered (SECURITY S21).
 */
export type { Header, Injection };

export interface RequestFacts {
  readonly entry: Entry;
  readonly scheme: 'http' | 'https';
  /** Who the connection is for: the CONNECT line, the absolute form, the SNI, or the Host of plain HTTP. */
  readonly authority: { readonly host: string; readonly port: number };
  readonly connect: { readonly host: string; readonly port: number } | null;
  readonly sni: string | null;
  readonly method: string;
  /** Origin form, as sent. */
  readonly target: string;
  readonly headers: readonly Header[];
  /** One stream of several on its connection: a name that is not the connection's is answered 421 (SECURITY S23). */
  readonly multiplexed?: true;
  /** A TLS connection that is passed through: nothing of what is asked inside is seen (SECURITY S24). */
  readonly sealed?: true;
}

export type Verdict =
  | {
      readonly kind: 'allow';
      readonly permit: Permit;
      readonly forward: ForwardPlan;
      readonly route: CompiledRoute;
      readonly trace: readonly TraceStep[];
    }
  | Denial;

export interface Denial {
  readonly kind: 'deny';
  readonly status: number;
  readonly reason: Reason;
  readonly route: string | null;
  readonly detail: string;
  readonly advice: string;
  readonly trace: readonly TraceStep[];
}

export interface ForwardPlan {
  readonly target: string;
  /** What the agent sent, less its credentials and what concerned only its own connection. Host is kept. */
  readonly headers: readonly Header[];
  readonly inject: Injection | null;
  /** Where stand-ins are swapped, by `placeholders.ts`. */
  readonly placeholders: readonly Placeholder[];
  readonly outbound: { readonly knownSecrets: boolean; readonly tokenPatterns: boolean; readonly onMatch: 'block' };
  readonly inbound: { readonly promptInjection: boolean; readonly onMatch: 'block' | 'warn' };
}

interface Refusal {
  readonly status: number;
  readonly reason: Reason;
  readonly detail: string;
}
const refuse = (status: number, reason: Reason, detail: string): Result<never, Refusal> =>
  err({ status, reason, detail });

export function decideEgress(policy: Policy, facts: RequestFacts): Verdict {
  const trace: TraceStep[] = [];
  const note = (check: string, outcome: string, detail: string): void => {
    trace.push({ check, outcome, detail });
  };
  const deny = (refusal: Refusal, check: string, route: PolicyRoute | null): Denial => {
    note(check, 'refused', refusal.detail);
    const advice = adviceFor(refusal.reason, { supervise: policy.supervise, ...facts.authority });
    return { kind: 'deny', ...refusal, route: route?.compiled.id ?? null, advice, trace };
  };

  const host = checkOneName(facts);
  if (!host.ok) return deny(host.error, 'names', null);
  note('names', 'agree', host.value);

  const method = checkMethod(facts);
  if (!method.ok) return deny(method.error, 'method', null);

  const path = checkPath(facts);
  if (!path.ok) return deny(path.error, 'path', null);
  note('path', `${String(path.value.readings.length)} reading(s)`, path.value.readings.join('  '));

  const { port } = facts.authority;
  const route = findRoute(policy, host.value, port);
  if (route === null) return deny(noRoute(host.value, port), 'route', null);
  note('route', route.compiled.id, route.compiled.source);

  const sealed = checkSealed(route.compiled.route, facts);
  if (!sealed.ok)
    return deny({ status: 403, reason: 'passthrough_refused', detail: sealed.error }, 'passthrough', route);

  const use = checkRouteUse(route, facts, path.value);
  if (!use.ok) return deny(use.error, 'rules', route);
  note('rules', 'held', route.matches === null ? 'no matches: every path and method' : 'matches');

  const permit = mintPermit({
    scheme: sealed.value ? 'passthrough' : facts.scheme,
    host: host.value,
    port,
    routeId: route.compiled.id,
    generation: policy.generation,
    resolveTo: resolveTarget(policy, host.value, port),
    literal: route.pattern.kind === 'literal',
  });
  const credential = checkCredential(route, facts, permit, path.value.query);
  if (!credential.ok) return deny(credential.error, 'credential', route);
  note(
    'credential',
    route.compiled.route.auth === undefined ? 'none' : `slot ${String(route.compiled.credential ?? '?')}`,
    describeAuth(route),
  );

  return { kind: 'allow', permit, forward: planForward(route, facts), route: route.compiled, trace };
}

function describeAuth({ compiled }: PolicyRoute): string {
  const { auth, placeholders } = compiled.route;
  if (auth === undefined && placeholders !== undefined) {
    return placeholders.map((place) => `${place.env} in ${place.in} ${place.name}`).join(', ');
  }
  return auth === undefined ? 'the request goes as the agent sent it' : `${auth.scheme} from ${auth.token_ref}`;
}

export function noRoute(host: string, port: number): Refusal {
  const implied = port === 443 || port === 80;
  const detail = implied ? 'no route names this host' : `no route names this host with port ${String(port)}`;
  return { status: 403, reason: 'no_route', detail: `${detail}: ${host}` };
}

/** CONNECT host, SNI, Host and absolute form must be one name (REFERENCE 5.1). */
function checkOneName(facts: RequestFacts): Result<NormalHost, Refusal> {
  const wanted = normaliseHost(facts.authority.host);
  if (!wanted.ok) return refuse(400, 'bad_request', `the host can't be read: ${wanted.error}`);
  const hosts = facts.headers.filter(([name]) => name.toLowerCase() === 'host').map(([, value]) => value);
  if (hosts.length > 1) return refuse(400, 'bad_request', 'more than one Host header');
  // What is spelled like the connection's own name needs no second reading.
  const others = (text: string): boolean => text !== facts.authority.host;
  const claims = [
    ...hosts.filter(others).map((text) => ({ what: 'Host', claim: parseAuthority(text) })),
    ...[facts.sni]
      .filter(isText)
      .filter(others)
      .map((text) => ({ what: 'SNI', claim: portless(text) })),
    ...[facts.connect?.host]
      .filter(isText)
      .filter(others)
      .map((text) => ({ what: 'CONNECT', claim: portless(text) })),
  ];
  // RFC 9110 section 15.5.20: the client may ask again on a connection of its own for that name.
  const mismatch = facts.multiplexed === true ? 421 : 403;
  for (const { what, claim } of claims) {
    if (!claim.ok) return refuse(400, 'bad_request', `${what} can't be read: ${claim.error}`);
    const { host, port } = claim.value;
    if (host !== wanted.value)
      return refuse(mismatch, 'host_mismatch', `${what} says ${host}, the connection ${wanted.value}`);
    if (what === 'Host' && !portAgrees(port, facts)) {
      return refuse(
        mismatch,
        'host_mismatch',
        `Host says port ${String(port ?? 'none')}, the connection ${String(facts.authority.port)}`,
      );
    }
  }
  if (facts.connect !== null && facts.connect.port !== facts.authority.port) {
    return refuse(403, 'host_mismatch', 'CONNECT and the request name different ports');
  }
  return wanted;
}

function isText(text: string | null | undefined): text is string {
  return typeof text === 'string';
}

function portless(text: string): Result<{ host: NormalHost; port: null }, string> {
  const host = normaliseHost(text);
  return host.ok ? ok({ host: host.value, port: null }) : host;
}

/** A Host without a port means the scheme's own; clients leave it out on odd ports in tunnels too, which is harmless: the tunnel fixes it. */
function portAgrees(port: number | null, facts: RequestFacts): boolean {
  return port === null || port === facts.authority.port;
}

function checkMethod(facts: RequestFacts): Result<null, Refusal> {
  const method = facts.method.toUpperCase();
  if (method === 'TRACE' || method === 'TRACK')
    return refuse(403, 'method_refused', `${method} would echo the credential`);
  if (method === 'CONNECT') return refuse(403, 'method_refused', 'CONNECT inside a connection');
  const upgrade = readUpgrade(facts);
  return upgrade.kind === 'refused' ? refuse(403, 'upgrade_refused', upgrade.why) : ok(null);
}

interface PathFacts {
  readonly readings: readonly string[];
  readonly query: string;
}

function checkPath(facts: RequestFacts): Result<PathFacts, Refusal> {
  if (facts.target === '*') return refuse(403, 'method_refused', 'OPTIONS * asks about the server, not about a path');
  if (!facts.target.startsWith('/')) return refuse(400, 'bad_request', 'the target is not a path');
  const { path, query } = splitTarget(facts.target);
  const readings = pathReadings(path);
  if (readings.ok) return ok({ readings: readings.value, query: query ?? '' });
  return err(PATH_REFUSALS[readings.error]);
}

const PATH_REFUSALS: Readonly<Record<PathProblem, Refusal>> = {
  malformed: { status: 400, reason: 'bad_request', detail: 'NUL or a broken escape in the path' },
  'too-long': { status: 414, reason: 'bad_request', detail: `a path over ${String(LIMITS.pathBytes)} bytes` },
  ambiguous: { status: 403, reason: 'ambiguous_path', detail: 'the path can be read in too many ways' },
};

/** Headers by which frameworks and gateways take another method or path than the request line's. */
const OVERRIDE_HEADERS =
  /^(?:x-(?:http-)?method(?:-override)?|x-(?:original|rewrite|forwarded)-(?:url|uri|path|method|prefix)|x-http-path-override)$/;

/** Git rules, overrides, then `matches`. */
function checkRouteUse(route: PolicyRoute, facts: RequestFacts, { readings, query }: PathFacts): Result<null, Refusal> {
  const use = gitUse(readings, query);
  if (use === 'push') return refuse(403, 'git_push', 'git push over HTTPS');
  if (writesRepository(facts.method, readings))
    return refuse(403, 'git_push', 'Git LFS and WebDAV write to a repository without a push');
  if (use === 'fetch' && route.compiled.route.git?.fetch !== true)
    return refuse(403, 'git_fetch', 'git fetch over HTTPS');
  if (route.matches === null) return ok(null);
  const override = facts.headers.find(([name]) => OVERRIDE_HEADERS.test(headerKey(name)))?.[0];
  if (override !== undefined)
    return refuse(403, 'override_header', `${override} could make another request of this one`);
  const decoded = decodings(query);
  if (!decoded.settled || parameterNames(decoded).has('_method')) {
    return refuse(403, 'override_header', 'the parameter _method could make another request of this one');
  }
  switch (matchAny(route.matches, { method: facts.method, readings, headers: facts.headers })) {
    case 'matched':
      return ok(null);
    case 'some-reading-escapes':
      return refuse(403, 'ambiguous_path', 'some servers would read this path as one that no rule allows');
    case 'not-matched':
      return refuse(403, 'no_match', 'the route allows other paths, methods or headers only');
  }
}

/** S10 and S11. */
function checkCredential(
  route: PolicyRoute,
  facts: RequestFacts,
  permit: Permit,
  query: string,
): Result<null, Refusal> {
  const { auth, placeholders, agent_credentials: agentCredentials } = route.compiled.route;
  const verified = facts.scheme === 'https' || permit.resolveTo !== null;
  if ((auth !== undefined || placeholders !== undefined) && !verified) {
    return refuse(403, 'cleartext_credential', 'this route has a credential, which never travels in clear');
  }
  const reading = facts.method === 'GET' || facts.method === 'HEAD';
  if (auth !== undefined || agentCredentials === 'allow' || (agentCredentials === undefined && reading)) {
    return ok(null);
  }
  // What stands in a declared place is judged with the stand-ins at hand, when they are swapped.
  const undeclared = withoutPlaces(placeholders ?? [], facts.headers, query);
  if (!carriesCredential(undeclared.headers, undeclared.query)) return ok(null);
  return refuse(
    403,
    'foreign_credential',
    'a credential of the agent’s own would act for an account that is not the operator’s',
  );
}

/** Headers that concern one connection only (RFC 9110 section 7.6.1), and what the gateway answers itself. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]);
/** `Connection: host` must not take away what the request means. */
const ESSENTIAL: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type', 'content-encoding']);

function planForward(route: PolicyRoute, facts: RequestFacts): ForwardPlan {
  const { auth, dlp } = route.compiled.route;
  const named = new Set(
    facts.headers
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.split(',').map((token) => token.trim().toLowerCase())),
  );
  const headers = facts.headers.filter(([name]) => {
    const field = name.toLowerCase();
    return !HOP_BY_HOP.has(field) && (!named.has(field) || ESSENTIAL.has(field));
  });
  const sent = { target: facts.target, headers: withHost(headers, facts) };
  const stripped = auth === undefined ? sent : stripCredentials(sent, auth);
  const detectors = dlp?.outbound_detectors;
  return {
    ...stripped,
    inject: auth === undefined ? null : injectionOf(route, auth),
    placeholders: route.compiled.route.placeholders ?? [],
    outbound: {
      knownSecrets: detectors !== false && (detectors?.includes('known_secrets') ?? true),
      tokenPatterns: detectors !== false && (detectors?.includes('token_patterns') ?? true),
      onMatch: 'block',
    },
    inbound: { promptInjection: looksForInjection(route), onMatch: dlp?.inbound_on_match ?? 'block' },
  };
}

/** A provider's answers are the model's own words: only where the operator says so are they looked at. */
function looksForInjection({ compiled }: PolicyRoute): boolean {
  const detectors = compiled.route.dlp?.inbound_detectors;
  if (detectors === undefined) return compiled.origin !== 'provider';
  return detectors !== false && detectors.some((name) => name !== 'minted_credentials');
}

/** HTTP/1.0 may leave it out; upstream a request always says which of the server's names it means. */
function withHost(headers: readonly Header[], { authority, scheme }: RequestFacts): readonly Header[] {
  if (headers.some(([name]) => name.toLowerCase() === 'host')) return headers;
  const { host, port } = authority;
  const implied = port === (scheme === 'https' ? 443 : 80);
  return [['Host', authorityText({ host, port: implied ? null : port })], ...headers];
}

function injectionOf({ compiled }: PolicyRoute, auth: NonNullable<CompiledRoute['route']['auth']>): Injection {
  return {
    slot: compiled.credential ?? -1,
    scheme: auth.scheme,
    ...(auth.name === undefined ? {} : { name: auth.name }),
  };
}
