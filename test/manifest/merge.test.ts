import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { entryAt, leavesOf, nodeAt, plainOf, type LocatedMap } from '../../src/manifest/located.ts';
import { mergeTrees, routeKey } from '../../src/manifest/merge.ts';
import { parseYaml } from '../../src/manifest/yaml.ts';
import { asMap } from '../../src/manifest/schema-check.ts';
import { effectiveOf } from './support.ts';

const treeOf = (file: string, text: string): LocatedMap => asMap(parseYaml({ file, text, lineOffset: 0 }));
const merge = (...texts: readonly string[]): unknown =>
  plainOf(fold(texts.map((text, index) => treeOf(`f${String(index)}`, text))).tree);

function fold(trees: readonly LocatedMap[]): { tree: LocatedMap; notices: readonly string[] } {
  const [first, ...rest] = trees;
  let tree = first ?? treeOf('none', '');
  const notices: string[] = [];
  for (const next of rest) {
    const merged = mergeTrees(tree, next);
    tree = merged.tree;
    notices.push(...merged.notices);
  }
  return { tree, notices };
}

describe('field rules', () => {
  test.each([
    {
      why: 'env by key',
      texts: ['env: {A: 1a, B: 1b}', 'env: {B: 2b, C: 2c}'],
      gives: { env: { A: '1a', B: '2b', C: '2c' } },
    },
    {
      why: 'an env entry whole, whatever its form',
      texts: ['env: {A: {host: X, secret: false}}', 'env: {A: {host: Y}}'],
      gives: { env: { A: { host: 'Y' } } },
    },
    {
      why: 'git-gate.user by field, the one that is not empty',
      texts: ['git-gate: {user: {name: A, email: a@x}}', 'git-gate: {user: {name: "", email: b@x}}'],
      gives: { 'git-gate': { user: { name: 'A', email: 'b@x' } } },
    },
    {
      why: 'git-gate.repos by name, then by field',
      texts: [
        'git-gate: {repos: {web: {url: /a, host_key: k}, api: {url: /b}}}',
        'git-gate: {repos: {web: {url: /c, key: {provider: static, path: /p}}}}',
      ],
      gives: {
        'git-gate': {
          repos: { web: { url: '/c', host_key: 'k', key: { provider: 'static', path: '/p' } }, api: { url: '/b' } },
        },
      },
    },
    {
      why: "a repository's key whole",
      texts: [
        'git-gate: {repos: {web: {key: {provider: static, path: /p}}}}',
        'git-gate: {repos: {web: {key: {provider: token, token_ref: T}}}}',
      ],
      gives: { 'git-gate': { repos: { web: { key: { provider: 'token', token_ref: 'T' } } } } },
    },
    {
      why: "routes concatenated, the child's in the parent's place",
      texts: [
        'egress: {routes: [{host: a.x}, {host: b.x}]}',
        'egress: {routes: [{host: c.x}, {host: A.X, git: {fetch: true}}]}',
      ],
      gives: { egress: { routes: [{ host: 'A.X', git: { fetch: true } }, { host: 'b.x' }, { host: 'c.x' }] } },
    },
    {
      why: 'a route with a port is another route',
      texts: ['egress: {routes: [{host: a.x}]}', 'egress: {routes: [{host: "a.x:8443"}, {host: "*.a.x"}]}'],
      gives: { egress: { routes: [{ host: 'a.x' }, { host: 'a.x:8443' }, { host: '*.a.x' }] } },
    },
    {
      why: 'no routes take none away',
      texts: ['egress: {routes: [{host: a.x}]}', 'egress: {routes: []}'],
      gives: { egress: { routes: [{ host: 'a.x' }] } },
    },
    {
      why: 'egress.log last',
      texts: ['egress: {log: 2}', 'egress: {log: 0}', 'egress: {}'],
      gives: { egress: { log: 0 } },
    },
    { why: 'supervise last', texts: ['supervise: true', 'supervise: false'], gives: { supervise: false } },
    {
      why: 'agent_provider last, whole',
      texts: ['agent_provider: {template: claude, auth_token: A}', 'agent_provider: {template: claude}'],
      gives: { agent_provider: { template: 'claude' } },
    },
    {
      why: 'resources last, whole',
      texts: ['resources: {cpus: 2, memory: 1GiB}', 'resources: {cpus: 1}'],
      gives: { resources: { cpus: 1 } },
    },
    {
      why: 'workspace last',
      texts: ['workspace: {mode: copy}', 'workspace: {mode: none}'],
      gives: { workspace: { mode: 'none' } },
    },
    {
      why: 'budget last, whole',
      texts: ['budget: {usd: 1, per: day}', 'budget: {tokens: 5, per: day}'],
      gives: { budget: { tokens: 5, per: 'day' } },
    },
    {
      why: 'mounts concatenated, each path once',
      texts: ['mounts: [{path: /a}, {path: /b}]', 'mounts: [{path: /c}, {path: /a, mode: ro}]'],
      gives: { mounts: [{ path: '/a', mode: 'ro' }, { path: '/b' }, { path: '/c' }] },
    },
    { why: 'description last', texts: ['description: a', 'description: b'], gives: { description: 'b' } },
  ])('$why', ({ texts, gives }) => {
    expect(merge(...texts)).toEqual(gives);
  });
});

describe('routes of one identity', () => {
  const notices = (parent: string, child: string): readonly string[] =>
    mergeTrees(treeOf('base', `egress: {routes: [${parent}]}`), treeOf('acme', `egress:\n  routes:\n  - ${child}`))
      .notices;

  test("the child's replaces the parent's, and preflight says so", () => {
    expect(notices('{host: api.github.com}', '{host: API.github.com., git: {fetch: true}}')).toEqual([
      'the route for api.github.com at acme:3 replaces the one at base:1',
    ]);
  });

  test('identical ones are one, and nobody is told', () => {
    expect(
      notices(
        '{host: a.x, git: {fetch: true}, auth: {scheme: token, token_ref: T}}',
        '{host: a.x, auth: {token_ref: T, scheme: token}, git: {fetch: true}}',
      ),
    ).toEqual([]);
  });

  test('an effective bottle carries the notices', () => {
    const bottle = effectiveOf({
      acme: 'extends: base\negress: {routes: [{host: a.example, git: {fetch: true}}]}',
      base: 'supervise: false\negress: {routes: [{host: a.example}]}',
    });
    expect(bottle.notices).toEqual([
      'the route for a.example at bottles/acme.md:3 replaces the one at bottles/base.md:3',
    ]);
    expect(bottle.egress.routes).toEqual([
      { route: { host: 'a.example', git: { fetch: true } }, origin: { file: 'bottles/acme.md', line: 3, column: 19 } },
    ]);
  });
});

/** Random bottles over few names, so that they collide. */
const names = fc.constantFrom('A', 'B', 'C');
const hosts = fc.constantFrom('a.example', 'A.example', 'b.example', '*.example', 'a.example:8443');
const word = fc.constantFrom('', 'x', 'y', 'z');
const bottle = fc.record(
  {
    description: word,
    env: fc.dictionary(names, word),
    'git-gate': fc.record(
      {
        user: fc.record({ name: word, email: word }, { requiredKeys: [] }),
        repos: fc.dictionary(
          names,
          fc.record({ url: word, push_default: fc.constantFrom('ask', 'deny') }, { requiredKeys: [] }),
        ),
      },
      { requiredKeys: [] },
    ),
    egress: fc.record(
      {
        log: fc.constantFrom(0, 1, 2),
        routes: fc.uniqueArray(
          fc.record({ host: hosts, git: fc.record({ fetch: fc.boolean() }) }, { requiredKeys: ['host'] }),
          { selector: ({ host }) => host.toLowerCase() },
        ),
      },
      { requiredKeys: [] },
    ),
    supervise: fc.boolean(),
    resources: fc.record(
      { cpus: fc.integer({ min: 1, max: 4 }), pids: fc.integer({ min: 1, max: 4 }) },
      { requiredKeys: [] },
    ),
    mounts: fc.uniqueArray(fc.record({ path: fc.constantFrom('/a', '/b', '/c') }), { selector: ({ path }) => path }),
  },
  { requiredKeys: [] },
);
const bottles = fc.array(bottle, { minLength: 1, maxLength: 5 });
const asTrees = (contents: readonly unknown[]): readonly LocatedMap[] =>
  contents.map((content, index) => treeOf(`f${String(index)}`, stringify(content, { aliasDuplicateObjects: false })));

describe('merging, for any bottles', () => {
  test('is deterministic and changes nothing it was given', () => {
    fc.assert(
      fc.property(bottles, (contents) => {
        const trees = asTrees(contents);
        const before = JSON.stringify(trees.map(plainOf));
        expect(fold(trees)).toEqual(fold(asTrees(contents)));
        expect(JSON.stringify(trees.map(plainOf))).toBe(before);
      }),
    );
  });

  test('is associative, origins included', () => {
    fc.assert(
      fc.property(bottle, bottle, bottle, (...contents) => {
        const [a, b, c] = asTrees(contents);
        if (a === undefined || b === undefined || c === undefined) return;
        const left = mergeTrees(mergeTrees(a, b).tree, c).tree;
        const right = mergeTrees(a, mergeTrees(b, c).tree).tree;
        expect(left).toEqual(right);
      }),
      { numRuns: 300 },
    );
  });

  test('merging with itself changes nothing and replaces nothing', () => {
    fc.assert(
      fc.property(bottle, (content) => {
        const [tree] = asTrees([content]);
        if (tree === undefined) return;
        const merged = mergeTrees(tree, tree);
        expect(plainOf(merged.tree)).toEqual(plainOf(tree));
        expect(merged.notices).toEqual([]);
      }),
    );
  });

  test('a later env wins, whoever came before', () => {
    fc.assert(
      fc.property(bottles, (contents) => {
        const expected = Object.assign({}, ...contents.map(({ env }) => env ?? {})) as Record<string, string>;
        const env = nodeAt(fold(asTrees(contents)).tree, ['env']);
        expect(env === null ? {} : plainOf(env)).toEqual(expected);
      }),
    );
  });

  test('every leaf is the one that stands at its origin', () => {
    fc.assert(
      fc.property(bottles, (contents) => {
        const trees = asTrees(contents);
        const written = new Map(
          trees.flatMap((tree) => leavesOf(tree).map(({ node }) => [JSON.stringify(node.at), plainOf(node)])),
        );
        for (const { path, node } of leavesOf(fold(trees).tree)) {
          expect(written.get(JSON.stringify(node.at)), path.join('.')).toEqual(plainOf(node));
        }
      }),
    );
  });

  test('every key points at a line that holds it', () => {
    fc.assert(
      fc.property(bottles, (contents) => {
        const texts = contents.map((content) => stringify(content, { aliasDuplicateObjects: false }));
        const { tree } = fold(texts.map((text, index) => treeOf(`f${String(index)}`, text)));
        for (const { path } of leavesOf(tree)) {
          const key = path.at(-1);
          const at = entryAt(tree, path)?.keyAt;
          if (typeof key !== 'string' || at === undefined) continue;
          const line = texts[Number(at.file.slice(1))]?.split('\n')[at.line - 1] ?? '';
          expect(
            line
              .slice(at.column - 1)
              .replace(/^"/, '')
              .startsWith(key),
          ).toBe(true);
        }
      }),
    );
  });

  test('no two routes of one identity are left', () => {
    fc.assert(
      fc.property(bottles, (contents) => {
        const routes = nodeAt(fold(asTrees(contents)).tree, ['egress', 'routes']);
        const keys = routes?.kind === 'list' ? routes.items.map(routeKey) : [];
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });
});
