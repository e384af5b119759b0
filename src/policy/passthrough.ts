import { err, ok, type Result } from '../kernel/result.ts';
import type { Route } from '../schema/route.ts';
import type { HostPattern } from './host.ts';

/**
 * `tls: passthrough` (SECURITY S24): the connection is held to its name and address, and nothing inside it is seen. So
 * a route that says it can promise nothing about what is inside.
 */
const UNSEEN: readonly (keyof Route)[] = [
  'auth',
  'placeholders',
  'matches',
  'git',
  'dlp',
  'agent_credentials',
  'range',
];

export function passthroughProblems(route: Route, pattern: HostPattern): readonly string[] {
  if (route.tls !== 'passthrough') return [];
  const unkept = UNSEEN.filter((key) => route[key] !== undefined);
  return [
    ...unkept.map((key) => `tls: passthrough shows nothing of a request, so ${key} could not be kept`),
    ...(pattern.kind === 'wildcard' ? ['tls: passthrough with a wildcard would open every host below it'] : []),
    ...(pattern.kind === 'literal'
      ? ['tls: passthrough goes by the name in the client hello, and an address has none']
      : []),
  ];
}

/** Whether the permit is for a connection that is passed through; an error where request and route do not fit. */
export function checkSealed(
  route: Route,
  facts: { readonly scheme: 'http' | 'https'; readonly entry: string; readonly sealed?: boolean },
): Result<boolean, string> {
  const passes = route.tls === 'passthrough' && facts.scheme === 'https';
  const sealed = facts.sealed ?? false;
  if (passes === sealed || facts.entry === 'explain') return ok(passes);
  return err(
    passes ? 'this connection was opened before its host was passed through' : 'this host is not passed through',
  );
}
