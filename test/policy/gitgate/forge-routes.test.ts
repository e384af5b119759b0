import { describe, expect, it } from 'vitest';
import { writesRepository } from '../../../src/policy/git.ts';
import { forgeRoutes } from '../../../src/policy/gitgate/forge-routes.ts';
import { parseRepoUrl, spellingsOf } from '../../../src/policy/gitgate/repo-url.ts';
import type { Route } from '../../../src/schema/route.ts';

const AUTH = { scheme: 'Bearer', token_ref: 'T' } as const;
const match = (value: string, method = 'POST', type: 'exact' | 'prefix' | 'regex' = 'prefix'): Route['matches'] => [
  { methods: [method], paths: [{ type, value }] },
];

describe('S31 routes that go round the git gate', () => {
  const rows: readonly (readonly [why: string, route: Route, problem: string | null])[] = [
    ['no credential', { host: 'github.com' }, null],
    ['another host', { host: 'api.example.com', auth: AUTH }, null],
    ['no matches', { host: 'github.com', auth: AUTH }, 'no matches'],
    ['the API beside it', { host: 'api.github.com', auth: AUTH }, 'no matches'],
    ['a wildcard over it', { host: '*.github.com', auth: AUTH }, 'no matches'],
    ['reading', { host: 'api.github.com', auth: AUTH, matches: match('/', 'GET') }, null],
    ['issues', { host: 'api.github.com', auth: AUTH, matches: match('/repos/acme/web/issues') }, null],
    [
      'opening a pull request',
      { host: 'api.github.com', auth: AUTH, matches: match('/repos/acme/web/pulls', 'POST', 'exact') },
      null,
    ],
    ['merging one', { host: 'api.github.com', auth: AUTH, matches: match('/repos/acme/web/pulls') }, 'can write'],
    [
      'contents',
      { host: 'api.github.com', auth: AUTH, matches: match('/repos/acme/web/contents', 'PUT') },
      'can write',
    ],
    ['all of a repository', { host: 'api.github.com', auth: AUTH, matches: match('/repos/acme/web') }, 'can write'],
    ['all of everything', { host: 'api.github.com', auth: AUTH, matches: match('/') }, 'can write'],
    ['GraphQL', { host: 'api.github.com', auth: AUTH, matches: match('/graphql', 'POST', 'exact') }, 'can write'],
    ['a pattern', { host: 'api.github.com', auth: AUTH, matches: match('/repos/.*', 'POST', 'regex') }, 'can write'],
    [
      'any method',
      { host: 'api.github.com', auth: AUTH, matches: [{ paths: [{ type: 'prefix', value: '/repos/' }] }] },
      'can write',
    ],
  ];
  it.each(rows)('%s', (_why, route, problem) => {
    const [found] = forgeRoutes([route], ['github.com']);
    if (problem === null) expect(found).toBeUndefined();
    else expect(found?.problem).toContain(problem);
  });

  it.each([
    ['POST', '/acme/web.git/info/lfs/objects/batch', true],
    ['POST', '/acme/web/info/lfs/locks', true],
    ['PUT', '/acme/web.git/INFO/LFS/objects/aa', true],
    ['GET', '/acme/web.git/info/lfs/locks', false],
    ['PUT', '/acme/web.git/refs/heads/main', true],
    ['MKCOL', '/acme/web.git/x', true],
    ['PUT', '/acme/web.git', false],
    ['PUT', '/repos/acme/web/issues/1', false],
    ['POST', '/acme/web.git/git-upload-pack', false],
  ])('%s %s writes: %s', (method, path, writes) => {
    expect(writesRepository(method, [path])).toBe(writes);
  });
});

describe('addresses of repositories', () => {
  it.each([
    [
      'ssh://git@git.acme.example/acme/web.git',
      { kind: 'ssh', user: 'git', host: 'git.acme.example', port: 22, path: '/acme/web.git' },
    ],
    [
      'ssh://Git.Acme.example:2222/~/web',
      { kind: 'ssh', user: 'git', host: 'git.acme.example', port: 2222, path: '/~/web' },
    ],
    ['git@github.com:acme/web.git', { kind: 'ssh', host: 'github.com', path: 'acme/web.git' }],
    ['https://user@git.acme.example:8443/a/b', { kind: 'https', user: 'user', port: 8443, path: '/a/b' }],
    ['~/src/web', { kind: 'local', path: '~/src/web' }],
    ['file:///srv/web.git', { kind: 'local', path: '/srv/web.git' }],
  ])('%s', (text, expected) => {
    const parsed = parseRepoUrl(text);
    expect(parsed.ok ? parsed.value : parsed.error).toMatchObject(expected);
  });

  it.each([
    ['http://git.acme.example/a', 'https or ssh'],
    ['git://git.acme.example/a', 'https or ssh'],
    ['ext::sh -c evil', 'spaces'],
    ['ext::evil', 'write ssh'],
    ['https://u:p@git.acme.example/a', 'password'],
    ['https://git.acme.example/', 'no repository'],
    ['https://git.acme.example/a?x=1', 'no query'],
    ["ssh://git@git.acme.example/a';evil", 'shell'],
    ['-oProxyCommand=evil@h:a', 'write ssh'],
    ['ssh://-oProxyCommand=evil/a', ''],
    ['web', 'write ssh'],
  ])('refuses %s', (text, says) => {
    const parsed = parseRepoUrl(text);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.error).toContain(says);
  });

  it('are rewritten in every spelling, the longest first', () => {
    const parsed = parseRepoUrl('git@github.com:acme/web.git');
    const spellings = parsed.ok ? spellingsOf(parsed.value) : [];
    for (const spelling of [
      'https://github.com/acme/web',
      'https://github.com/acme/web.git',
      'https://git@github.com:443/acme/web.git',
      'ssh://git@github.com/acme/web.git',
      'ssh://git@github.com:22/acme/web',
      'git@github.com:acme/web',
      'github.com:acme/web.git',
      'git://github.com/acme/web.git',
    ])
      expect(spellings).toContain(spelling);
    expect(spellings.map(({ length }) => length)).toEqual(spellings.map(({ length }) => length).sort((a, b) => b - a));
  });
});
