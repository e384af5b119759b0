import { describe, expect, it } from 'vitest';
import { BottleError } from '../../src/kernel/errors.ts';
import { migrateJson, migrateMarkdown, migrationDiff } from '../../src/manifest/migrate.ts';
import { openManifests } from '../../src/manifest/index.ts';
import { HOME, memoryFiles, PROJECT } from './support.ts';

const one = (bottle: object): { text: string; left: readonly string[] } => {
  const [migrated] = migrateJson(JSON.stringify({ bottles: { acme: bottle } }), 'bot-bottle.json');
  if (migrated === undefined) throw new Error('nothing came out');
  return migrated;
};

/** What today's reader makes of the converted text. */
function read(text: string): unknown {
  const files = memoryFiles({ files: { [`${HOME}/bottles/acme.md`]: text } });
  return openManifests({ home: HOME, cwd: PROJECT, files }).loadEffective(['acme']);
}

describe('an old bottle', () => {
  it.each([
    {
      why: 'git_user',
      old: { git_user: { name: 'Ada', email: 'ada@acme.example' } },
      now: { gitUser: { name: 'Ada', email: 'ada@acme.example' } },
    },
    { why: 'runtime names the agent', old: { runtime: 'claude' }, now: { provider: { template: 'claude' } } },
    {
      why: 'cred_proxy becomes auth of a route',
      old: { cred_proxy: [{ upstream: 'https://api.github.com/', auth_scheme: 'token', token_ref: 'GH_TOKEN' }] },
      now: {
        egress: { routes: [{ route: { host: 'api.github.com', auth: { scheme: 'token', token_ref: 'GH_TOKEN' } } }] },
      },
    },
    {
      why: 'path_allowlist becomes matches, beside what the proxy adds',
      old: {
        egress: { routes: [{ host: 'a.example', path_allowlist: ['/v1/*', '/v2/'] }] },
        cred_proxy: { routes: [{ host: 'b.example', token_ref: 'B' }] },
      },
      now: {
        egress: {
          routes: [
            {
              route: {
                host: 'a.example',
                matches: [
                  {
                    paths: [
                      { type: 'prefix', value: '/v1/' },
                      { type: 'prefix', value: '/v2/' },
                    ],
                  },
                ],
              },
            },
            { route: { host: 'b.example', auth: { scheme: 'Bearer', token_ref: 'B' } } },
          ],
        },
      },
    },
    {
      why: 'pipelock off on a route',
      old: { egress: { routes: [{ host: 'a.example', pipelock: false }] } },
      now: { egress: { routes: [{ route: { host: 'a.example', dlp: { outbound_detectors: false } } }] } },
    },
    { why: 'what is spelled alike stays', old: { env: { TZ: 'UTC' } }, now: { env: { TZ: { value: 'UTC' } } } },
  ])('$why', ({ old, now }) => {
    const { text, left } = one(old);
    expect(left).toEqual([]);
    expect(read(text)).toMatchObject(now);
  });

  it('repositories and their keys', () => {
    const { text } = one({ git: { repos: { web: { url: 'ssh://git@a.example/web.git', identity: '~/.ssh/web' } } } });
    expect(text).toContain(
      [
        'git-gate:',
        '  repos:',
        '    web:',
        '      url: ssh://git@a.example/web.git',
        '      key:',
        '        provider: static',
        '        path: ~/.ssh/web',
      ].join('\n'),
    );
  });

  it.each([
    {
      why: 'ssh without repositories',
      old: { ssh: [{ Host: 'a.example' }] },
      says: /^ssh: give each repository its key/,
    },
    { why: 'a runtime that is a wall', old: { runtime: 'runsc' }, says: /^runtime: walls are chosen by --backend/ },
    { why: 'a proxy entry without a host', old: { cred_proxy: [{ token_ref: 'T' }] }, says: /names no upstream/ },
    { why: 'a proxy entry without a token', old: { cred_proxy: [{ host: 'a.example' }] }, says: /names no token_ref/ },
    { why: 'a list of paths without a route', old: { path_allowlist: ['/v1/'] }, says: /^path_allowlist: write it as/ },
  ])('says what it leaves to a person, in the file too: $why', ({ old, says }) => {
    const { text, left } = one(old);
    expect(left).toEqual([expect.stringMatching(says)]);
    expect(text).toMatch(/^---\n# to be carried over: /);
    expect(() => read(text)).not.toThrow();
  });

  it('repeats no token that stood where a name belongs', () => {
    const { text, left } = one({ ssh: [{ password: 'ghp_0123456789abcdef0123' }] });
    expect(text + left.join()).not.toContain('ghp_');
  });
});

describe('an old agent', () => {
  it('has its prompt as the body and its identity; what an agent may not hold is named', () => {
    const [agent] = migrateJson(
      JSON.stringify({
        agents: { rev: { bottle: 'acme', prompt: 'Review it.\n', git_user: { name: 'Rev' }, env: { A: '1' } } },
      }),
      'bot-bottle.json',
    );
    expect(agent?.kind).toBe('agent');
    expect(agent?.text).toBe(
      "---\n# to be carried over: env: an agent file can't hold it; put it into the bottle\n\nbottle: acme\ngit-gate:\n  user:\n    name: Rev\n---\nReview it.\n",
    );
  });

  it('can be its prompt alone', () => {
    const [agent] = migrateJson('{"agents":{"rev":"Review it."}}', 'bot-bottle.json');
    expect(agent?.text).toBe('---\n---\nReview it.\n');
  });
});

describe('the file itself', () => {
  it.each([
    { why: 'no JSON', text: '{', says: 'bot-bottle.json is not an old manifest: not JSON' },
    { why: 'a list', text: '[]', says: /is not an old manifest: / },
    { why: 'a name that no file can have', text: '{"bottles":{"A b":{}}}', says: /names "A b"; a name has small/ },
  ])('is refused: $why', ({ text, says }) => {
    expect(() => migrateJson(text, 'bot-bottle.json')).toThrow(BottleError);
    expect(() => migrateJson(text, 'bot-bottle.json')).toThrow(says);
  });

  it('that is one bottle becomes the bottle `default`', () => {
    expect(migrateJson('{"env":{"A":"1"}}', 'bot-bottle.json').map(({ name }) => name)).toEqual(['default']);
  });
});

describe('a bottle file with old keys', () => {
  const text = '---\n# mine\nenv:\n  A: b # of course\ngit_user: {name: Ada}\n---\nFor people.\n';

  it('keeps comments, order and body', () => {
    const migrated = migrateMarkdown('acme', 'bottles/acme.md', text);
    expect(migrated?.text).toBe(
      '---\n# mine\nenv:\n  A: b # of course\ngit-gate:\n  user:\n    name: Ada\n---\nFor people.\n',
    );
  });

  it('is left alone when nothing in it is old', () => {
    expect(migrateMarkdown('acme', 'bottles/acme.md', '---\nenv: {A: b}\n---\n')).toBeNull();
  });

  it('is shown as a diff', () => {
    expect(migrationDiff('acme.md', 'a\nb\n', 'a\nc\n')).toContain('-b\n+c\n');
    expect(migrationDiff('acme.md', null, 'a\n')).toMatch(/^--- \/dev\/null\n\+\+\+ acme\.md\n/);
  });
});
