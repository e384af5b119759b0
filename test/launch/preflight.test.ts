import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../src/launch/plan.ts';
import { preflight, preflightJson, type PreflightParts } from '../../src/launch/preflight.ts';
import { placeText } from '../../src/manifest/index.ts';
import { NO_CPUS, WATCHED_MEMORY } from '../../src/policy/resources.ts';
import { effectiveOf } from '../manifest/support.ts';

const COMMAND = { title: 'command', argv: ['true'], env: {}, files: [], routes: [], mounts: [], verify: [] };

function partsOf(yaml: string, change: Partial<PreflightParts> = {}, proxyResolves = false): PreflightParts {
  const bottle = effectiveOf({ acme: yaml });
  const { plan } = buildPlan({
    slug: 'acme-00000',
    agent: 'acme',
    label: null,
    backend: 'bubblewrap',
    provider: 'command',
    provision: { ...COMMAND, warnings: [] },
    env: [],
    plainHostValues: new Map(),
    routes: bottle.egress.routes.map(({ route, origin }) => ({ route, source: placeText(origin), position: origin })),
    log: 1,
    gitUser: {},
    workspace: { mode: 'none' },
    mounts: [],
    resources: bottle.resources,
    debug: false,
    upstream: {
      extraCa: [],
      resolve: {},
      ...(proxyResolves
        ? { proxy: { scheme: 'http' as const, host: 'proxy.example', port: 3128, resolves: true, noProxy: [] } }
        : {}),
    },
    warnings: [...bottle.notices, ...bottle.warnings],
  });
  const none = { providerTitle: 'command', wall: 'a wall', weakValues: [], unenforced: [], alsoHere: [] };
  return { plan, bottle, ...none, ...change };
}

describe('preflight, the first line', () => {
  it.each([
    { alsoHere: [], title: 'acme · command · bubblewrap' },
    { alsoHere: ['docker'], title: 'acme · command · bubblewrap (docker also here: --backend)' },
    { alsoHere: ['docker', 'vm'], title: 'acme · command · bubblewrap (docker and vm also here: --backend)' },
    {
      alsoHere: ['docker', 'smolmachines', 'vm'],
      title: 'acme · command · bubblewrap (docker, smolmachines and vm also here: --backend)',
    },
  ])('names the other walls of this machine: $alsoHere', ({ alsoHere, title }) => {
    expect(preflight(partsOf('debug: false', { alsoHere })).title).toBe(title);
  });
});

const route = (keys: string): string => `supervise: false\negress:\n  routes:\n    - {host: a.example, ${keys}}`;

describe('preflight, what to think about', () => {
  it.each([
    {
      rule: 'S24 passthrough',
      yaml: route('tls: passthrough'),
      says: "a.example is passed through unseen (tls: passthrough, bottles/acme.md:5): nothing is scanned there, and the same CDN's other customers are reachable through this host",
    },
    {
      rule: 'S16 a route that is not scanned',
      yaml: route('dlp: {outbound_detectors: false}'),
      says: 'a.example is not scanned (outbound_detectors: false, bottles/acme.md:5): what leaves there is looked at for placeholders alone',
    },
    {
      rule: 'S10 credentials of the agent',
      yaml: route('agent_credentials: allow'),
      says: "a.example takes credentials of the agent's own (bottles/acme.md:5): anyone can have an account there",
    },
    {
      rule: 'S8 a secret inside',
      yaml: "supervise: false\nenv: {KEY: '?'}",
      says: 'KEY would be inside in clear (bottles/acme.md:3): the agent can read it, and encryption would carry it out',
    },
  ])('$rule is a danger, and said once', ({ yaml, says }) => {
    const { warnings } = preflight(partsOf(yaml));
    expect(warnings.map(({ level, text }) => ({ level, text }))).toEqual([{ level: 'danger', text: says }]);
  });

  it('S13 parts of answers are noted where a value is put in, and only there', () => {
    const withAuth = preflight(partsOf(route('auth: {scheme: Bearer, token_ref: T}, range: true'), {}, false)).warnings;
    expect(withAuth).toEqual([
      {
        level: 'note',
        text: 'parts of answers of a.example may be asked for (range: true, bottles/acme.md:5): where it echoes a credential, up to seven characters can show at each end of one',
        fix: [],
      },
    ]);
    expect(preflight(partsOf(route('range: true'))).warnings).toEqual([]);
  });

  it('S21 a proxy that resolves names is a danger, and said once', () => {
    expect(preflight(partsOf('supervise: false', {}, true)).warnings).toEqual([
      {
        level: 'danger',
        text: 'upstream.proxy_resolves (settings.yml): names go to the proxy, which decides what address each one means; no address is checked here',
        fix: [],
      },
    ]);
  });

  it('says nothing where there is nothing to think about', () => {
    expect(preflight(partsOf('debug: false')).warnings).toEqual([]);
  });

  it('limits that the machine does not hold stand there with the line that asks for them', () => {
    const unenforced: PreflightParts['unenforced'] = [
      { resource: 'memory', level: 'watched', why: WATCHED_MEMORY },
      { resource: 'cpus', level: 'absent', why: NO_CPUS },
    ];
    const parts = partsOf('supervise: false\nresources:\n  memory: 1GiB\n  cpus: 2', { unenforced });
    expect(preflight(parts).warnings).toEqual([
      { level: 'note', text: `memory (bottles/acme.md:4) is ${WATCHED_MEMORY}`, fix: [] },
      { level: 'danger', text: `cpus (bottles/acme.md:5) is ${NO_CPUS}`, fix: [] },
    ]);
    expect(preflightJson(parts)).toMatchObject({ unenforced, alsoHere: [] });
  });
});
