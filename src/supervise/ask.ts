import { err, ok, type Result } from '../kernel/result.ts';
import { authorityText, parseHostSpec } from '../policy/host.ts';
import { compilePattern } from '../policy/regex-subset.ts';
import { BUNDLE_NAMES } from '../schema/plan.ts';
import type { AllowAsk, AskedRoute } from '../schema/proposal.ts';
import type { RouteMatch } from '../schema/route.ts';
import { isPublicSuffix } from './registrable.ts';

/**
 * What was asked, in the one form that it is filed and shown in, or in words why it can't be asked for (SECURITY S32).
 * The same ask in another spelling is the same ask.
 */
const ASK_BYTES = 16 * 1024;

export function normaliseAsk({ host, port, matches, gitFetch }: AllowAsk): Result<AskedRoute, string> {
  const parsed = parseHostSpec(host);
  if (!parsed.ok) return err(`host ${JSON.stringify(host)}: ${parsed.error}`);
  const pattern = parsed.value;
  if (pattern.port !== null && port !== undefined && pattern.port !== port) return err('host and port name two ports');
  if (pattern.kind === 'literal') return err('an address can’t be asked for; name the host');
  if (bundleNames.has(pattern.host)) return err(`${pattern.host} is a service of the bottle’s own`);
  if (pattern.kind === 'wildcard' && isPublicSuffix(pattern.host)) {
    return err(`anybody can have a name below ${pattern.host}; name the host itself`);
  }
  for (const source of matches?.flatMap(patternsOf) ?? []) {
    const compiled = compilePattern(source);
    if (!compiled.ok) return err(`pattern ${JSON.stringify(source)}: ${compiled.error}`);
  }
  const spelled = authorityText({ host: pattern.host, port: pattern.port ?? port ?? null });
  const route: AskedRoute = {
    host: pattern.kind === 'wildcard' ? `*.${spelled}` : spelled,
    ...(matches === undefined ? {} : { matches: matches.map(normaliseMatch) }),
    ...(gitFetch === true ? { gitFetch } : {}),
  };
  return JSON.stringify(route).length > ASK_BYTES
    ? err('it is too long to be read by a person; ask for less')
    : ok(route);
}

const bundleNames: ReadonlySet<string> = new Set(BUNDLE_NAMES);

function patternsOf({ paths, headers }: RouteMatch): readonly string[] {
  return [...(paths ?? []), ...(headers ?? [])].flatMap(({ type, value }) => (type === 'regex' ? [value] : []));
}

function normaliseMatch({ paths, methods, headers }: RouteMatch): RouteMatch {
  return {
    ...(paths === undefined ? {} : { paths }),
    ...(methods === undefined ? {} : { methods: [...new Set(methods)].sort() }),
    ...(headers === undefined ? {} : { headers }),
  };
}
