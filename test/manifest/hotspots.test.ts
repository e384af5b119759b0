import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { AGENT_EXAMPLES, BOTTLE_EXAMPLES, SETTINGS_EXAMPLES } from '../../src/manifest/examples.ts';
import { REFUSED_KEYS } from '../../src/manifest/old-keys.ts';
import { plainOf } from '../../src/manifest/located.ts';
import { childrenOf, schemasAt } from '../../src/manifest/schema-walk.ts';
import { parseYaml } from '../../src/manifest/yaml.ts';
import { decodeJson } from '../../src/schema/json.ts';
import { CompiledRouteSchema } from '../../src/schema/gateway-config.ts';
import { AgentFileSchema, BottleFileSchema } from '../../src/schema/manifest.ts';
import {
  AUTH_SCHEMES,
  INBOUND_DETECTORS,
  OUTBOUND_DETECTORS,
  RouteAuthSchema,
  RouteSchema,
  type Route,
} from '../../src/schema/route.ts';
import { SettingsFileSchema } from '../../src/schema/settings.ts';

const optional = <Shape extends object>(shape: { [Key in keyof Shape]: fc.Arbitrary<Shape[Key]> }) =>
  fc.record(shape, { requiredKeys: [] });
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
const variable = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/);
const auth = fc
  .record({ scheme: fc.constantFrom(...AUTH_SCHEMES), token_ref: variable, name: text })
  .map(({ name, ...rest }) =>
    RouteAuthSchema.parse(rest.scheme === 'header' || rest.scheme === 'query' ? { ...rest, name } : rest),
  );
const match = optional({
  paths: fc.array(fc.record({ type: fc.constantFrom('exact', 'prefix', 'regex'), value: text }), { minLength: 1 }),
  methods: fc.array(fc.stringMatching(/^[A-Z]{1,20}$/), { minLength: 1 }),
  headers: fc.array(
    fc.record({
      type: fc.constantFrom('exact', 'regex'),
      name: fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/),
      value: fc.string({ unit: 'binary', maxLength: 40 }),
    }),
    { minLength: 1 },
  ),
}).filter((fields) => Object.keys(fields).length > 0);
const route: fc.Arbitrary<Route> = fc
  .record(
    {
      host: text,
      auth,
      matches: fc.array(match, { minLength: 1, maxLength: 4 }),
      git: optional({ fetch: fc.boolean() }),
      dlp: optional({
        outbound_detectors: fc.oneof(fc.constant(false), fc.array(fc.constantFrom(...OUTBOUND_DETECTORS))),
        inbound_detectors: fc.oneof(fc.constant(false), fc.array(fc.constantFrom(...INBOUND_DETECTORS))),
        outbound_on_match: fc.constantFrom('block', 'redact', 'supervise'),
        inbound_on_match: fc.constantFrom('block', 'warn'),
      }),
      tls: fc.constant('passthrough'),
      placeholders: fc.array(
        fc.record({ env: text, in: fc.constantFrom('header', 'query', 'form', 'json', 'path'), name: text }),
        { minLength: 1 },
      ),
      agent_credentials: fc.constantFrom('allow', 'deny'),
      range: fc.boolean(),
    },
    { requiredKeys: ['host'] },
  )
  .map((value) => RouteSchema.parse(value));

describe('H1 one route, whatever carries it', () => {
  test('every key of the schema is generated', () => {
    const keys = new Set(fc.sample(route, { numRuns: 300, seed: 1 }).flatMap((value) => Object.keys(value)));
    expect([...keys].sort()).toEqual(Object.keys(RouteSchema.shape).sort());
  });

  test('any route survives JSON, the wire form of the gateway', () => {
    fc.assert(
      fc.property(route, (value) => {
        const compiled = { id: 'manifest:x', origin: 'manifest' as const, source: 'bottles/x.md:1', route: value };
        expect(decodeJson(CompiledRouteSchema, JSON.stringify(compiled))).toEqual({ ok: true, value: compiled });
      }),
      { numRuns: 300 },
    );
  });

  test('any route survives YAML, as a manifest', () => {
    fc.assert(
      fc.property(route, (value) => {
        const yaml = stringify({ egress: { routes: [value] } }, { aliasDuplicateObjects: false });
        const tree = parseYaml({ file: 'x.md', text: yaml, lineOffset: 0 });
        expect(BottleFileSchema.parse(plainOf(tree)).egress?.routes).toEqual([value]);
      }),
      { numRuns: 300 },
    );
  });
});

test('H7 no module of the manifest is over 300 lines', () => {
  const directory = fileURLToPath(new URL('../../src/manifest/', import.meta.url));
  const sizes = fs
    .readdirSync(directory)
    .map((name) => ({ name, lines: fs.readFileSync(path.join(directory, name), 'utf8').split('\n').length }));
  expect(sizes.length).toBeGreaterThan(8);
  expect(sizes.filter(({ lines }) => lines > 300)).toEqual([]);
});

describe('hints can be pasted', () => {
  const cases = [
    { name: 'bottle', schema: BottleFileSchema, examples: BOTTLE_EXAMPLES },
    { name: 'agent', schema: AgentFileSchema, examples: AGENT_EXAMPLES },
    { name: 'settings', schema: SettingsFileSchema, examples: SETTINGS_EXAMPLES },
  ].flatMap(({ name, schema, examples }) =>
    Object.entries(examples).map(([pattern, hint]) => ({ name, schema, pattern, hint })),
  );

  const read = (hint: string) =>
    z.record(z.string(), z.unknown()).parse(plainOf(parseYaml({ file: 'hint', text: hint, lineOffset: 0 })));

  /** What the schema says about the line in the place of its key, or one level up where it shows its parent whole. */
  function isValidAt(schema: z.ZodType, pattern: string, hint: string): boolean {
    const steps = pattern.split('.').flatMap((step) => (step.endsWith('[]') ? [step.slice(0, -2), 0] : [step]));
    const [[key, value] = ['', null]] = Object.entries(read(hint));
    const parents = steps.slice(0, steps.at(-1) === key || steps.at(-1) === '*' ? -1 : -2);
    const own = schemasAt([schema], parents, undefined).flatMap((parent) => childrenOf(parent, key));
    return own.some((child) => z.safeParse(child, value).success);
  }

  test.each(cases)('$name $pattern: $hint', ({ schema, pattern, hint }) => {
    expect(isValidAt(schema, pattern, hint)).toBe(true);
  });

  test('the check above can fail', () => {
    expect(isValidAt(BottleFileSchema, 'egress.log', 'log: 7')).toBe(false);
    expect(isValidAt(BottleFileSchema, 'egress.log', 'lag: 1')).toBe(false);
  });

  test.each(Object.entries(REFUSED_KEYS))('the new spelling of %s is known', (_key, { hint = '{}' }) => {
    const value = read(hint);
    const inRepo = { 'git-gate': { repos: { web: value } } };
    const inRoute = { egress: { routes: [{ host: 'a.example', ...value }] } };
    expect([value, inRepo, inRoute].some((content) => BottleFileSchema.safeParse(content).success)).toBe(true);
  });
});
