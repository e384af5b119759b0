import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { credentialNames, mergeRoutes, type SourcedRoute } from '../../src/policy/merge.ts';
import type { Route } from '../../src/schema/route.ts';

const sourced = (route: Route, source: string): SourcedRoute => ({
  route,
  source,
  position: { file: source, line: 7, column: 5 },
});
const auth = (variable: string): NonNullable<Route['auth']> => ({ scheme: 'Bearer', token_ref: variable });
const provided = [sourced({ host: 'api.anthropic.com', auth: auth('CLAUDE_TOKEN') }, 'provider claude')];

describe('H2 provisioned wins, in one pure merge', () => {
  it.each([
    ['the same name', 'api.anthropic.com', true],
    ['another spelling of it', 'API.Anthropic.com.', true],
    ['the same name with a port that the provider covers', 'api.anthropic.com:443', true],
    ['a wildcard above it, which decides nothing for that name', '*.anthropic.com', false],
    ['another name', 'api.github.com', false],
  ])('a manifest route for %s (%s) clashes: %s', (_what, host, clashes) => {
    const merged = mergeRoutes(provided, [sourced({ host }, 'bottles/acme.md:7')]);
    expect(merged.ok).toBe(!clashes);
    if (merged.ok) return;
    expect(merged.error.message).toContain('delete this one at bottles/acme.md:7');
    expect(merged.error.message).toContain('provider claude');
    expect(merged.error.position).toEqual({ file: 'bottles/acme.md:7', line: 7, column: 5 });
  });

  it('gives one slot per distinct variable, in a pass over the merged list', () => {
    const merged = mergeRoutes(provided, [
      sourced({ host: 'a.example', auth: auth('GH_TOKEN') }, 'one'),
      sourced({ host: 'b.example', auth: auth('CLAUDE_TOKEN') }, 'two'),
      sourced({ host: 'c.example' }, 'three'),
    ]);
    expect(merged.ok && merged.value.map(({ route, origin, credential }) => [route.host, origin, credential])).toEqual([
      ['api.anthropic.com', 'provider', 0],
      ['a.example', 'manifest', 1],
      ['b.example', 'manifest', 0],
      ['c.example', 'manifest', undefined],
    ]);
  });

  it('whatever the variables: every slot leads to the variable that its route names', () => {
    const variable = fc.constantFrom('A', 'B', 'C', null);
    fc.assert(
      fc.property(fc.array(variable, { maxLength: 12 }), (variables) => {
        const routes = variables.map((name, index) =>
          sourced({ host: `h${String(index)}.example`, ...(name === null ? {} : { auth: auth(name) }) }, 'file'),
        );
        const merged = mergeRoutes([], routes);
        expect(merged.ok).toBe(true);
        if (!merged.ok) return;
        const names = credentialNames(merged.value.map(({ route }) => route));
        expect(new Set(names).size).toBe(names.length);
        for (const { route, credential } of merged.value) {
          expect(credential === undefined ? undefined : names[credential]).toBe(route.auth?.token_ref);
        }
      }),
    );
  });
});
