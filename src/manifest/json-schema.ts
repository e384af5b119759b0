import { z } from 'zod';
import { JsonObjectSchema, type JsonObject } from '../schema/json.ts';
import { AgentFileSchema, BottleFileSchema } from '../schema/manifest.ts';
import { SettingsFileSchema } from '../schema/settings.ts';
import { AGENT_EXAMPLES, BOTTLE_EXAMPLES, SETTINGS_EXAMPLES } from './examples.ts';
import { AGENT_NOT_BUILT, BOTTLE_NOT_BUILT, SETTINGS_NOT_BUILT } from './features.ts';
import { AGENT_HELP, BOTTLE_HELP, SETTINGS_HELP } from './key-help.ts';

/** The schemas that editors read: generated from the definitions that the files are checked by, with a sentence per key. */
export const JSON_SCHEMA_NAMES = ['bottle', 'agent', 'settings'] as const;
export type JsonSchemaName = (typeof JSON_SCHEMA_NAMES)[number];

interface Definition {
  readonly title: string;
  readonly schema: z.ZodType;
  readonly help: Readonly<Record<string, string>>;
  readonly examples: Readonly<Record<string, string>>;
  /** Keys refused whole: editors say so before a start does. */
  readonly notBuilt: readonly string[];
  /** An agent file may hold Claude Code's own keys (HOTSPOTS H8). */
  readonly open: boolean;
}

const whole = (
  rows: readonly { readonly key: string; readonly values?: unknown; readonly except?: unknown }[],
): string[] => rows.filter((row) => row.values === undefined && row.except === undefined).map(({ key }) => key);

const DEFINITIONS: Readonly<Record<JsonSchemaName, Definition>> = {
  bottle: {
    title: 'bot-bottle: a bottle file’s front matter',
    schema: BottleFileSchema,
    help: BOTTLE_HELP,
    examples: BOTTLE_EXAMPLES,
    notBuilt: whole(BOTTLE_NOT_BUILT),
    open: false,
  },
  agent: {
    title: 'bot-bottle: an agent file’s front matter',
    schema: AgentFileSchema,
    help: AGENT_HELP,
    examples: AGENT_EXAMPLES,
    notBuilt: whole(AGENT_NOT_BUILT),
    open: true,
  },
  settings: {
    title: 'bot-bottle: settings.yml',
    schema: SettingsFileSchema,
    help: SETTINGS_HELP,
    examples: SETTINGS_EXAMPLES,
    notBuilt: whole(SETTINGS_NOT_BUILT),
    open: false,
  },
};

export function jsonSchema(name: JsonSchemaName): JsonObject {
  const { title, schema, help, examples, notBuilt, open } = DEFINITIONS[name];
  const generated = JsonObjectSchema.parse(z.toJSONSchema(schema, { io: 'input', target: 'draft-07' }));
  const described = describe(generated, '', { help, examples, notBuilt });
  return { ...described, title, ...(open ? { additionalProperties: true } : {}) };
}

interface Words {
  readonly help: Readonly<Record<string, string>>;
  readonly examples: Readonly<Record<string, string>>;
  readonly notBuilt: readonly string[];
}

/** Adds what is said about a place to its node, and goes on below it; alternatives share their place. */
function describe(node: JsonObject, place: string, words: Words): JsonObject {
  const below: JsonObject = {};
  for (const [key, value] of Object.entries(node)) {
    const inner = describeBelow(key, value, place, words);
    if (inner !== null) below[key] = inner;
  }
  return { ...node, ...below, ...said(place, words) };
}

function describeBelow(key: string, value: unknown, place: string, words: Words): unknown {
  switch (key) {
    case 'properties':
      return mapObject(value, (child, name) => describe(child, place === '' ? name : `${place}.${name}`, words));
    case 'additionalProperties':
      return isObject(value) ? describe(value, `${place}.*`, words) : null;
    case 'items':
      return isObject(value) ? describe(value, `${place}[]`, words) : null;
    case 'anyOf':
    case 'oneOf':
      return Array.isArray(value)
        ? value.map((child: unknown) => (isObject(child) ? inside(child, place, words) : child))
        : null;
    default:
      return null;
  }
}

/** An alternative: what is below it is described, it itself is not, since its place already is. */
function inside(node: JsonObject, place: string, words: Words): JsonObject {
  return Object.fromEntries(Object.entries(describe(node, place, words)).filter(([key]) => key !== 'description'));
}

function said(place: string, { help, examples, notBuilt }: Words): JsonObject {
  const sentence = help[place];
  const example = examples[place];
  if (sentence === undefined) return {};
  const missing = notBuilt.includes(place) ? ' Not built yet: refused.' : '';
  const shown = example === undefined ? '' : `\n\nExample: ${example}`;
  return { description: `${sentence}${missing}${shown}` };
}

function mapObject(value: unknown, act: (child: JsonObject, name: string) => JsonObject): unknown {
  if (!isObject(value)) return null;
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => [name, isObject(child) ? act(child, name) : child]),
  );
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
