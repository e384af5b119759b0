import { describe, expect, test } from 'vitest';
import { BOTTLE_NOT_BUILT } from '../../src/manifest/features.ts';
import { complaint, effectiveOf } from './support.ts';

const REFUSED: readonly { readonly key: string; readonly yaml: string; readonly says: string }[] = [
  {
    key: 'budget',
    yaml: 'budget: {usd: 5, per: day}',
    says: `feature_missing
bottles/acme.md:2:1  budget
  "budget" is not built yet; remove it`,
  },
  {
    key: 'agent_provider.template',
    yaml: 'agent_provider: {template: codex}',
    says: `feature_missing
bottles/acme.md:2:28  agent_provider.template
  "template: codex" is not built yet; write instead
      template: claude`,
  },
  {
    key: 'agent_provider.template',
    yaml: 'agent_provider: {template: pi}',
    says: `feature_missing
bottles/acme.md:2:28  agent_provider.template
  "template: pi" is not built yet; write instead
      template: claude`,
  },
  {
    key: 'agent_provider.template',
    yaml: 'agent_provider: {template: my-plugin}',
    says: `feature_missing
bottles/acme.md:2:28  agent_provider.template
  "template: my-plugin" is not built yet; write instead
      template: claude`,
  },
  {
    key: 'agent_provider.dockerfile',
    yaml: 'agent_provider: {dockerfile: ./Dockerfile}',
    says: `feature_missing
bottles/acme.md:2:18  agent_provider.dockerfile
  "dockerfile" is not built yet; remove it`,
  },
  {
    key: 'agent_provider.forward_host_credentials',
    yaml: 'agent_provider: {forward_host_credentials: true}',
    says: `feature_missing
bottles/acme.md:2:44  agent_provider.forward_host_credentials
  "forward_host_credentials: true" is not built yet; write instead
      auth_token: CLAUDE_TOKEN`,
  },
  {
    key: 'egress.model_tools',
    yaml: 'egress: {model_tools: strip}',
    says: `feature_missing
bottles/acme.md:2:10  egress.model_tools
  "model_tools" is not built yet; remove it`,
  },
  {
    key: 'egress.routes[].dlp.outbound_detectors[]',
    yaml: 'egress: {routes: [{host: a.example, dlp: {outbound_detectors: [entropy]}}]}',
    says: `feature_missing
bottles/acme.md:2:64  egress.routes[0].dlp.outbound_detectors[0]
  "entropy" is not built yet; write instead
      outbound_detectors: [token_patterns, known_secrets]`,
  },
  {
    key: 'egress.routes[].dlp.outbound_on_match',
    yaml: 'egress: {routes: [{host: a.example, dlp: {outbound_on_match: redact}}]}',
    says: `feature_missing
bottles/acme.md:2:62  egress.routes[0].dlp.outbound_on_match
  "outbound_on_match: redact" is not built yet; write instead
      outbound_on_match: block`,
  },
  {
    key: 'egress.routes[].dlp.outbound_on_match',
    yaml: 'egress: {routes: [{host: a.example, dlp: {outbound_on_match: supervise}}]}',
    says: `feature_missing
bottles/acme.md:2:62  egress.routes[0].dlp.outbound_on_match
  "outbound_on_match: supervise" is not built yet; write instead
      outbound_on_match: block`,
  },
  {
    key: 'egress.routes[].dlp.inbound_detectors[]',
    yaml: 'egress: {routes: [{host: a.example, dlp: {inbound_detectors: [minted_credentials]}}]}',
    says: `feature_missing
bottles/acme.md:2:63  egress.routes[0].dlp.inbound_detectors[0]
  "minted_credentials" is not built yet; write instead
      inbound_detectors: [prompt_injection]`,
  },
];

describe('a key whose feature is not built is refused by name, never ignored', () => {
  test.each(REFUSED)('$key: $yaml', ({ yaml, says }) => {
    expect(complaint(() => effectiveOf({ acme: yaml }))).toBe(says);
  });

  test('every row of the table is shown by a manifest that uses it', () => {
    expect([...new Set(REFUSED.map(({ key }) => key))].sort()).toEqual(BOTTLE_NOT_BUILT.map(({ key }) => key).sort());
  });

  test.each([
    'supervise: false',
    'supervise: true',
    'workspace: {mode: copy}',
    'workspace: {mode: none}',
    'workspace: {mode: clone}',
    'workspace: {mode: bind}',
    'agent_provider: {template: claude, forward_host_credentials: false}',
    'egress: {routes: [{host: a.example, dlp: {outbound_detectors: false, inbound_detectors: false}}]}',
    'egress: {routes: [{host: a.example, dlp: {inbound_detectors: [naive_injection_detection], inbound_on_match: warn}}]}',
    'egress: {routes: [{host: a.example, dlp: {outbound_detectors: [known_secrets], outbound_on_match: block}}]}',
    'debug: true',
    'resources: {cpus: 2, memory: 4 GiB, pids: 100, disk: 10GiB, strict: true}',
    'mounts: [{path: /opt/tools}]',
    'git-gate: {user: {name: A, email: a@b.example}}',
    'env: {A: "?", B: "? which", C: "${D}", D: {host: E, secret: false}}',
  ])('built: %s', (yaml) => {
    expect(complaint(() => effectiveOf({ acme: yaml }))).toBe('no complaint');
  });

  test('the first one in the file is named, wherever its row stands in the table', () => {
    const yaml = 'budget: {usd: 1, per: day}\ngit-gate: {repos: {}}';
    expect(complaint(() => effectiveOf({ acme: yaml }))).toContain('"budget" is not built yet');
  });
});
