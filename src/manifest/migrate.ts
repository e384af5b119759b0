import { createTwoFilesPatch } from 'diff';
import { Document, isMap, parseDocument } from 'yaml';
import { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { decodeJson, JsonObjectSchema, type JsonObject } from '../schema/json.ts';
import { MANIFEST_NAME } from '../schema/manifest.ts';
import { splitFrontMatter } from './frontmatter.ts';
import { convertBottle, type Conversion } from './old-form.ts';

/** One file as it is and as it would be. */
export interface Migrated {
  readonly name: string;
  readonly kind: 'bottle' | 'agent';
  readonly text: string;
  /** What a person has to carry over; it stands as comments in the text too. */
  readonly left: readonly string[];
}

/**
 * The old `bot-bottle.json`: `{"bottles": {name: {…}}, "agents": {name: {"bottle", "prompt", …}}}`. A file without
 * either key is one bottle, named `default`.
 */
const OldFormSchema = z.object({
  bottles: z.record(z.string(), JsonObjectSchema).default({}),
  agents: z.record(z.string(), z.union([z.string(), JsonObjectSchema])).default({}),
});

export function migrateJson(text: string, file: string): readonly Migrated[] {
  const parsed = decodeJson(JsonObjectSchema, text);
  if (!parsed.ok) throw unreadable(file, parsed.error);
  const { bottles, agents } = parsed.value;
  const whole = bottles === undefined && agents === undefined ? { bottles: { default: parsed.value } } : parsed.value;
  const old = OldFormSchema.safeParse(whole);
  if (!old.success) throw unreadable(file, z.prettifyError(old.error));
  return [
    ...Object.entries(old.data.bottles).map(([name, bottle]) => bottleOf(checkName(name, file), bottle)),
    ...Object.entries(old.data.agents).map(([name, agent]) => agentOf(checkName(name, file), agent)),
  ];
}

/** A bottle file with old keys in it, its comments and its body kept; null when there is nothing to change. */
export function migrateMarkdown(name: string, file: string, text: string): Migrated | null {
  const { yaml, body } = splitFrontMatter(text, file);
  const document = parseDocument(yaml, { version: '1.2', schema: 'core' });
  const content = JsonObjectSchema.safeParse(document.toJS());
  if (document.errors.length > 0 || !content.success) return null;
  const conversion = convertBottle(content.data);
  if (conversion.edits.length === 0 && conversion.left.length === 0) return null;
  apply(document, conversion);
  return { name, kind: 'bottle', text: frontMatter(document, body), left: conversion.left };
}

/** The change as people read it; a new file is all pluses. */
export function migrationDiff(file: string, before: string | null, after: string): string {
  const [old, now] = [before === null ? '/dev/null' : file, file];
  return createTwoFilesPatch(old, now, before ?? '', after, '', '', { context: 2 }).replace(/^=+\n/, '');
}

function bottleOf(name: string, bottle: JsonObject): Migrated {
  const { description, ...rest } = bottle;
  const document = new Document({ ...(typeof description === 'string' ? { description } : {}), ...rest });
  const conversion = convertBottle(rest);
  apply(document, conversion);
  return { name, kind: 'bottle', text: frontMatter(document, ''), left: conversion.left };
}

function agentOf(name: string, agent: string | JsonObject): Migrated {
  const { prompt, git_user: user, bottle, skills, ...others } = typeof agent === 'string' ? { prompt: agent } : agent;
  const left = Object.keys(others).map((key) => `${key}: an agent file can't hold it; put it into the bottle`);
  const document = new Document({
    ...(bottle === undefined ? {} : { bottle }),
    ...(skills === undefined ? {} : { skills }),
    ...(user === undefined ? {} : { 'git-gate': { user } }),
  });
  comment(document, left);
  return {
    name,
    kind: 'agent',
    text: frontMatter(document, `${typeof prompt === 'string' ? prompt.trimEnd() : ''}\n`),
    left,
  };
}

function apply(document: Document, { edits, left }: Conversion): void {
  for (const edit of edits) {
    if (edit.kind === 'delete') document.deleteIn(edit.path);
    else document.setIn(edit.path, document.createNode(edit.value));
  }
  comment(document, left);
}

function comment(document: Document, left: readonly string[]): void {
  if (left.length === 0) return;
  const lines = left.map((line) => ` to be carried over: ${line.replaceAll('\n', ' ')}`);
  const before = document.commentBefore;
  document.commentBefore = [...(before ? [before] : []), ...lines].join('\n');
}

function frontMatter(document: Document, body: string): string {
  const empty = isMap(document.contents) && document.contents.items.length === 0;
  const yaml = empty ? commentText(document.commentBefore) : document.toString({ lineWidth: 0 });
  return `---\n${yaml}---\n${body}`;
}

function commentText(text: string | null): string {
  return text === null || text === ''
    ? ''
    : `${text
        .split('\n')
        .map((line) => `#${line}`)
        .join('\n')}\n`;
}

function checkName(name: string, file: string): string {
  if (MANIFEST_NAME.test(name)) return name;
  throw new BottleError('migration_failed', {
    message: `${file} names "${name}"; a name has small letters, digits and dashes, a letter first`,
    hint: 'rename it in that file, then try again',
  });
}

function unreadable(file: string, why: string): BottleError {
  return new BottleError('migration_failed', { message: `${file} is not an old manifest: ${why}` });
}
