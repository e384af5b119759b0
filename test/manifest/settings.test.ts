import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../src/manifest/index.ts';
import { SETTINGS_NOT_BUILT } from '../../src/manifest/features.ts';
import { reveal } from '../../src/platform/reveal.ts';
import { SettingsSchema } from '../../src/schema/settings.ts';
import { createTestCa } from '../stand-ins/test-ca.ts';
import { complaint, HOME, memoryFiles, OPERATOR } from './support.ts';

const ca = createTestCa().certificate;

function settings(text: string, others: Readonly<Record<string, string>> = {}) {
  return loadSettings(HOME, memoryFiles({ files: { [`${HOME}/settings.yml`]: text, ...others } }));
}

describe('settings.yml', () => {
  const DEFAULTS = {
    upstream: { extraCa: [], resolve: {}, proxy: null },
    rules: null,
    backend: null,
    strictSecrets: false,
  };

  test('that is not there has its defaults, and so has an empty one', () => {
    expect(loadSettings(HOME, memoryFiles({ files: {} }))).toEqual(DEFAULTS);
    expect(settings('')).toEqual(DEFAULTS);
    expect(settings('# nothing yet\n')).toEqual(DEFAULTS);
    expect(settings('---\n')).toEqual(DEFAULTS);
  });

  test("is read with the certificates it names: absolute, of the operator's home, of the bot-bottle home", () => {
    const loaded = settings(
      `upstream:
  extra_ca: [/etc/ssl/company.pem, ~/own.pem, ca.pem]
  resolve:
    "Git.Acme.example:443": "10.0.0.7:8443"
    "v6.example:443": "[::1]:443"
backend: bubblewrap
strict_secrets: true
`,
      { '/etc/ssl/company.pem': `# ours\n${ca}${ca}`, [`${OPERATOR}/own.pem`]: ca, [`${HOME}/ca.pem`]: ca.trimEnd() },
    );
    expect(loaded).toEqual({
      upstream: {
        extraCa: Array.from({ length: 4 }, () => `${ca.trimEnd()}\n`),
        resolve: { 'Git.Acme.example:443': '10.0.0.7:8443', 'v6.example:443': '[::1]:443' },
        proxy: null,
      },
      rules: null,
      backend: 'bubblewrap',
      strictSecrets: true,
    });
    expect(SettingsSchema.parse(loaded)).toEqual(loaded);
  });

  test('a proxy is read, its user and password apart from the rest', () => {
    const loaded = settings(
      'upstream: {proxy: "https://ada:p%40ss@Proxy.Acme.example", no_proxy: ["*.acme.example"], proxy_resolves: true}',
    );
    const { address, login } = loaded.upstream.proxy ?? {};
    const noProxy = ['*.acme.example'];
    expect(address).toEqual({ scheme: 'https', host: 'proxy.acme.example', port: 443, resolves: true, noProxy });
    expect(login && reveal(login, 'compare')).toBe('ada:p@ss');
    expect(JSON.stringify(loaded)).not.toContain('p@ss');
    expect(settings('upstream: {proxy: "http://p.example"}').upstream.proxy).toMatchObject({
      address: { scheme: 'http', port: 3128, resolves: false, noProxy: [] },
      login: null,
    });
  });

  test('S8 a private key beside a certificate goes nowhere', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n';
    const loaded = settings('upstream: {extra_ca: [/x.pem]}', { '/x.pem': `${key}${ca}${key}` });
    expect(loaded.upstream.extraCa).toEqual([`${ca.trimEnd()}\n`]);
  });

  test.each([
    {
      why: 'a key misspelt',
      text: 'upsteam: {}',
      says: `settings_invalid
settings.yml:1:1  upsteam
  unknown key "upsteam"; did you mean "upstream"?
  allowed here: upstream, dlp, backend, strict_secrets, supervise, budgets
      upstream: {extra_ca: [/etc/ssl/company.pem]}`,
    },
    {
      why: 'a backend that is none',
      text: 'backend: dokcer',
      says: `settings_invalid
settings.yml:1:10  backend
  must be bubblewrap, docker, smolmachines or vm; did you mean "docker"?
      backend: bubblewrap`,
    },
    {
      why: 'one certificate without a list',
      text: 'upstream:\n  extra_ca: /etc/ssl/company.pem',
      says: `settings_invalid
settings.yml:2:13  upstream.extra_ca
  must be a list
      extra_ca: [/etc/ssl/company.pem]`,
    },
    {
      why: 'a certificate that is not there',
      text: 'upstream:\n  extra_ca:\n    - missing.pem',
      says: `settings_invalid
settings.yml:3:7  upstream.extra_ca[0]
  there is no file ${HOME}/missing.pem
      extra_ca: [/etc/ssl/company.pem]`,
    },
    {
      why: 'a certificate that is none',
      text: 'upstream: {extra_ca: [/x.pem]}',
      says: `settings_invalid
settings.yml:1:23  upstream.extra_ca[0]
  /x.pem holds no certificate in PEM form
      extra_ca: [/etc/ssl/company.pem]`,
    },
    {
      why: 'a name without a port',
      text: 'upstream: {resolve: {git.acme.example: "10.0.0.7:443"}}',
      says: `settings_invalid
settings.yml:1:22  upstream.resolve["git.acme.example"]
  a key here must be host:port
      resolve: {"git.acme.example:443": "10.0.0.7:443"}`,
    },
    {
      why: 'a name for an address',
      text: 'upstream: {resolve: {"git.acme.example:443": "other.example:443"}}',
      says: `settings_invalid
settings.yml:1:46  upstream.resolve["git.acme.example:443"]
  must be address:port
      resolve: {"git.acme.example:443": "10.0.0.7:443"}`,
    },
    {
      why: 'an address without a port',
      text: 'upstream: {resolve: {"git.acme.example:443": 10.0.0.7}}',
      says: `settings_invalid
settings.yml:1:46  upstream.resolve["git.acme.example:443"]
  must be address:port
      resolve: {"git.acme.example:443": "10.0.0.7:443"}`,
    },
    {
      why: 'a word for a boolean',
      text: 'strict_secrets: yes',
      says: `settings_invalid
settings.yml:1:17  strict_secrets
  must be true or false
      strict_secrets: true`,
    },
    {
      why: 'a key twice',
      text: 'backend: docker\nbackend: vm',
      says: `settings_invalid
settings.yml:2:1
  the key "backend" is here twice`,
    },
    {
      why: 'two documents',
      text: 'backend: docker\n---\nbackend: vm',
      says: `settings_invalid
settings.yml:2:1
  a second YAML document begins here; there can be only one`,
    },
    {
      why: 'another version of YAML, in which other words mean true',
      text: '%YAML 1.1\n---\nstrict_secrets: yes',
      says: `settings_invalid
settings.yml:1:1
  YAML directives (%YAML, %TAG) are not used here; delete the line`,
    },
    {
      why: 'a list',
      text: '- backend',
      says: `settings_invalid
settings.yml:1:1
  must be a map: lines of \`key: value\``,
    },
    {
      why: 'a proxy that is no URL',
      text: 'upstream: {proxy: proxy.example}',
      says: `settings_invalid
settings.yml:1:19  upstream.proxy
  must be a URL of scheme, host and port
      proxy: http://proxy.acme.example:3128`,
    },
    {
      why: 'a host that is none among those without a proxy',
      text: 'upstream: {proxy: "http://p.example:3128", no_proxy: ["a b"]}',
      says: `settings_invalid
settings.yml:1:55  upstream.no_proxy[0]
  not a host: a character that no host has
      no_proxy: ["*.acme.example"]`,
    },
    {
      why: 'budgets are not built yet',
      text: 'budgets: {day: {usd: 5}}',
      says: `feature_missing
settings.yml:1:1  budgets
  "budgets" is not built yet; remove it`,
    },
    {
      why: 'holding for an operator is not built yet',
      text: 'supervise:\n  hold_s: 60',
      says: `feature_missing
settings.yml:2:3  supervise.hold_s
  "hold_s" is not built yet; remove it`,
    },
  ])('$why', ({ text, says }) => {
    const others = { '/x.pem': '-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n' };
    expect(complaint(() => settings(text, others))).toBe(says);
  });

  test('every row of what is not built is shown above', () => {
    expect(SETTINGS_NOT_BUILT.map(({ key }) => key).sort()).toEqual(['budgets', 'supervise.hold_s']);
  });
});
