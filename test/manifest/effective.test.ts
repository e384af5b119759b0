import { describe, expect, test } from 'vitest';
import { explainJson, explainLines, explainText, openManifests, secretsInClear } from '../../src/manifest/index.ts';
import { complaint, effectiveOf, HOME, manifestsOf, memoryFiles, PROJECT } from './support.ts';

const at = (line: number, column: number, file = 'bottles/acme.md') => ({ file, line, column });

describe('an effective bottle', () => {
  test('has every default filled in', () => {
    expect(effectiveOf({ acme: '' })).toMatchObject({
      names: ['acme'],
      description: null,
      env: {},
      provider: null,
      egress: { log: 1, routes: [] },
      gitUser: {},
      workspace: null,
      resources: { strict: false },
      mounts: [],
      debug: false,
      supervise: true,
      notices: [],
      warnings: [],
    });
  });

  test('means what REFERENCE 2 says', () => {
    const bottle = effectiveOf({
      acme: [
        'description: for the tests',
        'env:',
        '  PLAIN: Europe/Vienna',
        '  EMPTY: ""',
        '  ASKED: "?"',
        '  ASKED_SO: "? Which token? "',
        '  FROM_HOST: ${HOST_VAR}',
        '  OBJECT: {host: HOST_VAR}',
        '  PLAIN_HOST: {host: LANG, secret: false}',
        '  NOT_WHOLE: x${HOST_VAR}',
        'agent_provider: {auth_token: CLAUDE_TOKEN, settings: {model: sonnet}}',
        'egress:',
        '  log: 2',
        '  routes:',
        '    - host: a.example',
        'git-gate: {user: {name: A, email: ""}}',
        'supervise: false',
        'workspace: {mode: none}',
        'resources: {cpus: 1.5, memory: 512MiB, pids: 64, disk: 2 GiB, strict: true}',
        'mounts: [{path: ~/.nvm/}, {path: /opt/x/../tools, mode: ro}]',
        'debug: true',
      ].join('\n'),
    });
    expect(bottle).toMatchObject({
      description: 'for the tests',
      env: {
        PLAIN: { kind: 'literal', value: 'Europe/Vienna', origin: at(4, 10) },
        EMPTY: { kind: 'literal', value: '', origin: at(5, 10) },
        ASKED: { kind: 'prompt', message: null, origin: at(6, 10) },
        ASKED_SO: { kind: 'prompt', message: 'Which token?', origin: at(7, 13) },
        FROM_HOST: { kind: 'host', variable: 'HOST_VAR', secret: true, origin: at(8, 14) },
        OBJECT: { kind: 'host', variable: 'HOST_VAR', secret: true, origin: at(9, 11) },
        PLAIN_HOST: { kind: 'host', variable: 'LANG', secret: false, origin: at(10, 15) },
        NOT_WHOLE: { kind: 'literal', value: 'x${HOST_VAR}', origin: at(11, 14) },
      },
      provider: { template: 'claude', authToken: 'CLAUDE_TOKEN', settings: { model: 'sonnet' }, origin: at(12, 1) },
      egress: { log: 2, routes: [{ route: { host: 'a.example' }, origin: at(16, 7) }] },
      gitUser: { name: 'A' },
      workspace: { mode: 'none' },
      resources: { cpus: 1.5, memoryBytes: 536_870_912, pids: 64, diskBytes: 2_147_483_648, strict: true },
      mounts: [
        { path: '/home/ada/.nvm', mode: 'ro', origin: at(21, 10) },
        { path: '/opt/tools', mode: 'ro', origin: at(21, 27) },
      ],
      debug: true,
      notices: [],
    });
  });

  test('S8 names each forwarded secret that would be inside in clear; S14 a plain one is none', () => {
    const bottle = effectiveOf({
      acme: 'env:\n  A: "?"\n  B: ${X}\n  C: {host: X}\n  D: {host: X, secret: false}\n  E: plain',
    });
    expect(secretsInClear(bottle.env, bottle.egress.routes).map(({ name }) => name)).toEqual(['A', 'B', 'C']);
    expect(bottle.warnings).toEqual([
      'A would be inside in clear (bottles/acme.md:3)',
      'B would be inside in clear (bottles/acme.md:4)',
      'C would be inside in clear (bottles/acme.md:5)',
    ]);
  });

  test('S8 a value with a stand-in stays outside', () => {
    const route = 'host: a.example, placeholders: [{env: A, in: header, name: authorization}]';
    const bottle = effectiveOf({ acme: `env:\n  A: \${X}\n  B: \${Y}\negress: {routes: [{${route}}]}` });
    expect(secretsInClear(bottle.env, bottle.egress.routes).map(({ name }) => name)).toEqual(['B']);
  });

  test('warns of values that are not what they look like', () => {
    const bottle = effectiveOf({ acme: 'supervise: false\nenv:\n  A: x-${B}\n  C: ghp_0123456789abcdefghij' });
    expect(bottle.warnings).toEqual([
      'env.A (bottles/acme.md:4) holds ${…} among other text: it is passed as it stands',
      'env.C (bottles/acme.md:5) looks like a credential in the file; ${C} takes it from the host',
    ]);
  });
});

describe('the example of the reference', () => {
  const acme = `---
extends: claude            # ~/.bot-bottle/bottles/claude.md: provider and its token
env:
  TZ: Europe/Vienna
  STRIPE_KEY: \${STRIPE_TEST_KEY}
egress:
  routes:
    - host: api.github.com
      auth: {scheme: Bearer, token_ref: GH_TOKEN}
      matches:
        - paths: [{type: prefix, value: /repos/acme/}]
          methods: [GET]
    - host: api.stripe.com
      placeholders: [{env: STRIPE_KEY, in: header, name: authorization}]
git-gate:
  user: {name: Acme Bot, email: bot@acme.example}
  repos:
    web:
      url: ssh://git@git.acme.example/acme/web.git
      host_key: "ssh-ed25519 AAAA…"
      key: {provider: static, path: ~/.ssh/acme_bot}
---
What this bottle is for, in words for people.
`;
  const reviewer = `---
bottle: acme
skills: [code-review]
---
Review the open branch and fix what the tests show.
`;
  const open = (text: string) =>
    openManifests({
      home: HOME,
      cwd: PROJECT,
      files: memoryFiles({
        files: {
          [`${HOME}/bottles/acme.md`]: text,
          [`${HOME}/bottles/claude.md`]: '---\nagent_provider: {auth_token: CLAUDE_TOKEN}\n---\n',
          [`${HOME}/agents/reviewer.md`]: reviewer,
        },
      }),
    });

  test('names what it uses that is not built', () => {
    const [repo] = open(acme).loadEffective(['acme']).gitRepos;
    expect(repo).toMatchObject({ name: 'web', repo: { key: { provider: 'static' } } });
    expect(repo?.at('url')).toMatchObject({ file: 'bottles/acme.md', line: 19 });
    expect(complaint(() => open(acme).loadAgent('reviewer'))).toBe(`feature_missing
agents/reviewer.md:3:1  skills
  "skills" is not built yet; remove it`);
  });

  test('loads without them', () => {
    const built = acme.replace(/ {2}repos:[\s\S]*?(?=---)/, '');
    expect(open(built).loadEffective(['acme'])).toMatchObject({
      provider: { template: 'claude', authToken: 'CLAUDE_TOKEN', origin: at(2, 1, 'bottles/claude.md') },
      gitUser: { name: 'Acme Bot', email: 'bot@acme.example' },
      egress: {
        routes: [
          {
            route: {
              host: 'api.github.com',
              auth: { scheme: 'Bearer', token_ref: 'GH_TOKEN' },
              matches: [{ paths: [{ type: 'prefix', value: '/repos/acme/' }], methods: ['GET'] }],
            },
            origin: at(8, 7),
          },
          {
            route: {
              host: 'api.stripe.com',
              placeholders: [{ env: 'STRIPE_KEY', in: 'header', name: 'authorization' }],
            },
            origin: at(13, 7),
          },
        ],
      },
      env: { STRIPE_KEY: { kind: 'host', variable: 'STRIPE_TEST_KEY', secret: true } },
    });
  });
});

describe('explaining a bottle', () => {
  const bottles = {
    acme: 'extends: base\nenv:\n  TZ: Europe/Vienna\n  KEY: ${STRIPE}\n  ASKED: "?"\n  LANG: {host: LANG, secret: false}\n  SLIP: ghp_0123456789abcdefghij\negress:\n  routes:\n    - {host: api.github.com, git: {fetch: true}}',
    base: 'debug: false\negress: {log: 2, routes: [{host: "*.cdn.example"}]}',
  };

  test('shows each line with the place it comes from, secrets masked', () => {
    expect(explainLines(effectiveOf(bottles))).toEqual([
      { text: 'debug: false', source: 'bottles/base.md:2' },
      { text: 'egress:', source: null },
      { text: '  log: 2', source: 'bottles/base.md:3' },
      { text: '  routes:', source: null },
      { text: '    - host: "*.cdn.example"', source: 'bottles/base.md:3' },
      { text: '    - host: api.github.com', source: 'bottles/acme.md:11' },
      { text: '      git:', source: null },
      { text: '        fetch: true', source: 'bottles/acme.md:11' },
      { text: 'env:', source: null },
      { text: '  TZ: Europe/Vienna', source: 'bottles/acme.md:4' },
      { text: '  KEY: (secret)', source: 'bottles/acme.md:5' },
      { text: '  ASKED: (secret)', source: 'bottles/acme.md:6' },
      { text: '  LANG:', source: null },
      { text: '    host: LANG', source: 'bottles/acme.md:7' },
      { text: '    secret: false', source: 'bottles/acme.md:7' },
      { text: '  SLIP: (secret)', source: 'bottles/acme.md:8' },
    ]);
  });

  test('as text, with the sources in a column', () => {
    expect(explainText(effectiveOf({ acme: 'debug: true\nenv: {TZ: UTC}' }))).toBe(
      'debug: true  # bottles/acme.md:2\nenv:\n  TZ: UTC    # bottles/acme.md:3',
    );
  });

  test('as JSON, with the origin of every value', () => {
    const json = explainJson(effectiveOf(bottles));
    expect(json.bottles).toEqual(['acme']);
    expect(json.manifest).toMatchObject({ env: { KEY: '(secret)', SLIP: '(secret)', TZ: 'Europe/Vienna' } });
    expect(json.origins['egress.routes[1].git.fetch']).toEqual(at(11, 43));
    expect(json.origins['egress.log']).toEqual(at(3, 15, 'bottles/base.md'));
    expect(JSON.stringify(json)).not.toMatch(/ghp_|STRIPE/);
  });

  test('a bottle that is nothing', () => {
    expect(explainText(manifestsOf({}).loadEffective([]))).toMatch(/^\{\}/);
  });
});
