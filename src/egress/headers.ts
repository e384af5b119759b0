import type { Header } from '../policy/decide.ts';
import type { Framing } from '../protocol/http1/framing.ts';

/** Fields that belong to one connection and never cross the gateway (RFC 9110, 7.6.1), plus those we answer ourselves. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
/** Would send the agent to another place or protocol, past the gateway (SECURITY S23). */
const ALTERNATIVE_SERVICES: ReadonlySet<string> = new Set(['alt-svc', 'alternates']);

/** gRPC and gRPC-Web, whatever their messages are made of. */
export function isGrpc(headers: readonly Header[]): boolean {
  return headerValues(headers, 'content-type').some((type) => /^application\/grpc(?:$|[-+;])/i.test(type.trim()));
}

/** The body is messages one after the other; gRPC-Web's text form is base64 around them. */
export function isGrpcFramed(headers: readonly Header[]): boolean {
  return (
    isGrpc(headers) &&
    !headerValues(headers, 'content-type').some((type) => /^\s*application\/grpc-web-text/i.test(type))
  );
}

export function headerValues(headers: readonly Header[], name: string): readonly string[] {
  return headers.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
}

/** Lower-case list members of every field of that name. */
export function headerTokens(headers: readonly Header[], name: string): readonly string[] {
  return headerValues(headers, name)
    .flatMap((value) => value.split(','))
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '');
}

/** The agent's request as the upstream gets it: our own framing, `Expect` answered here, Host present. */
export function upstreamHeaders(forwarded: readonly Header[], framing: Framing, authority: string): readonly Header[] {
  const dropped = connectionNamed(forwarded);
  const kept = forwarded.filter(([name]) => {
    const field = name.toLowerCase();
    if (HOP_BY_HOP.has(field) || dropped.has(field) || field === 'expect') return false;
    // A request without a body may say so by a length of 0.
    return field !== 'content-length' || framing.kind === 'none';
  });
  const host: readonly Header[] = headerValues(kept, 'host').length === 0 ? [['Host', authority]] : [];
  return [...host, ...kept, ...framingHeaders(framing)];
}

export function answerTrailers(trailers: readonly Header[]): readonly Header[] {
  return trailers.filter(([name]) => !ALTERNATIVE_SERVICES.has(name.toLowerCase()));
}

export interface AnswerShape {
  readonly status: number;
  readonly framing: Framing;
  /** The agent speaks HTTP/1.0: no chunks, the end of the connection ends the body. */
  readonly agentIsHttp10: boolean;
  readonly keepAlive: boolean;
}

/** The upstream's answer as the agent gets it. */
export function agentHeaders(answered: readonly Header[], shape: AnswerShape): readonly Header[] {
  const dropped = connectionNamed(answered);
  const reframed = shape.framing.kind !== 'none';
  const kept = answered.filter(([name]) => {
    const field = name.toLowerCase();
    if (HOP_BY_HOP.has(field) || ALTERNATIVE_SERVICES.has(field) || dropped.has(field)) return false;
    // An answer without a body (HEAD, 304) may still say how long it would have been; 204 may not (RFC 9110, 8.6).
    return field !== 'content-length' || !(reframed || shape.status === 204);
  });
  return [...kept, ...framingHeaders(answerFraming(shape)), ['connection', shape.keepAlive ? 'keep-alive' : 'close']];
}

/** How the body goes to the agent: lengths stay, everything else is chunked where the agent can read chunks. */
export function answerFraming(shape: Pick<AnswerShape, 'framing' | 'agentIsHttp10'>): Framing {
  const { framing, agentIsHttp10 } = shape;
  if (framing.kind === 'none' || framing.kind === 'length') return framing;
  return agentIsHttp10 ? { kind: 'until-close' } : { kind: 'chunked' };
}

function framingHeaders(framing: Framing): readonly Header[] {
  switch (framing.kind) {
    case 'length':
      return [['content-length', String(framing.length)]];
    case 'chunked':
      return [['transfer-encoding', 'chunked']];
    default:
      return [];
  }
}

/** The fields that `Connection` names belong to the connection, whatever they are. */
function connectionNamed(headers: readonly Header[]): ReadonlySet<string> {
  return new Set(headerTokens(headers, 'connection').filter((token) => token !== 'host'));
}
