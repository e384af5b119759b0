import fs from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../../scripts/root.ts';
import { schemaFiles } from '../../scripts/schemas.ts';
import { AGENT_EXAMPLES, BOTTLE_EXAMPLES, SETTINGS_EXAMPLES } from '../../src/manifest/examples.ts';
import { JSON_SCHEMA_NAMES, jsonSchema, type JsonSchemaName } from '../../src/manifest/json-schema.ts';
import { AGENT_HELP, BOTTLE_HELP, SETTINGS_HELP } from '../../src/manifest/key-help.ts';

/** An independent reader of JSON Schema, as an editor has one. */
const ajv = new Ajv({ strict: false, allErrors: true });
const validators = Object.fromEntries(JSON_SCHEMA_NAMES.map((name) => [name, ajv.compile(jsonSchema(name))]));
const accepts = (name: JsonSchemaName, yaml: string): boolean => validators[name]?.(parse(yaml)) === true;

describe('the schemas for editors', () => {
  it('in the repository are those that the definitions give (npm run schemas)', async () => {
    for (const [file, text] of await schemaFiles()) {
      expect(fs.readFileSync(path.join(ROOT, file), 'utf8'), file).toBe(text);
    }
  });

  it.each<readonly [JsonSchemaName, string, string]>([
    ['bottle', 'extends: [claude, node]', 'a list of parents'],
    ['bottle', 'env: {TZ: UTC, KEY: "${KEY}", PLAIN: {host: PLAIN, secret: false}}', 'each form of a value'],
    ['bottle', 'egress: {routes: [{host: a.example, auth: {scheme: Bearer, token_ref: T}}]}', 'a route'],
    ['bottle', 'resources: {cpus: 1.5, memory: 4GiB}', 'limits'],
    ['agent', 'bottle: acme\nmodel: opus\ncolor: red', 'H8 keys of the agent’s own'],
    ['settings', 'upstream: {resolve: {"a.example:443": "10.0.0.1:443"}}', 'an address'],
  ])('%s accepts %s (%s)', (name, yaml) => {
    expect(accepts(name, yaml)).toBe(true);
  });

  it.each<readonly [JsonSchemaName, string, string]>([
    ['bottle', 'egres: {}', 'a misspelt key'],
    ['bottle', 'egress: {routes: [{auth: {scheme: Bearer, token_ref: T}}]}', 'a route without a host'],
    ['bottle', 'resources: {memory: 4 gigs}', 'a size in other words'],
    ['bottle', 'workspace: {mode: share}', 'a mode that is none'],
    ['bottle', 'env: {TZ: 5}', 'a number where text belongs'],
    ['agent', 'bottle: [a]', 'a list of bottles'],
    ['settings', 'backend: chroot', 'a backend that is none'],
  ])('%s refuses %s (%s)', (name, yaml) => {
    expect(accepts(name, yaml)).toBe(false);
  });

  it.each([
    ['bottle', BOTTLE_HELP, BOTTLE_EXAMPLES],
    ['agent', AGENT_HELP, AGENT_EXAMPLES],
    ['settings', SETTINGS_HELP, SETTINGS_EXAMPLES],
  ] as const)('%s says something about every key, and of nothing else', (name, help, examples) => {
    const places = placesOf(jsonSchema(name), '');
    expect(places.filter((place) => help[place] === undefined)).toEqual([]);
    expect(Object.keys(help).filter((place) => !places.includes(place))).toEqual([]);
    expect(Object.keys(examples).filter((place) => help[place] === undefined)).toEqual([]);
  });
});

/** Every place below a node that a person can write something at. */
function placesOf(node: unknown, place: string): readonly string[] {
  if (typeof node !== 'object' || node === null) return [];
  const found = Object.entries(node).flatMap(([key, value]: [string, unknown]): readonly string[] => {
    if (key === 'properties' && typeof value === 'object' && value !== null) {
      return Object.entries(value).flatMap(([name, child]: [string, unknown]) => {
        const below = place === '' ? name : `${place}.${name}`;
        return [below, ...placesOf(child, below)];
      });
    }
    if (key === 'items' && hasShape(value)) return [`${place}[]`, ...placesOf(value, `${place}[]`)];
    if (key === 'additionalProperties' && isSpoken(value)) return [`${place}.*`, ...placesOf(value, `${place}.*`)];
    if ((key === 'anyOf' || key === 'oneOf') && Array.isArray(value)) {
      return value.flatMap((child) => placesOf(child, place));
    }
    return [];
  });
  return [...new Set(found)];
}

/** Free-form maps (a provider's settings) have a schema of their own elsewhere. */
function isSpoken(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

/** A map or a list of maps; a list of words needs no further word. */
function hasShape(value: unknown): boolean {
  return JSON.stringify(value ?? null).includes('"properties"') || JSON.stringify(value ?? null).includes('"anyOf"');
}
