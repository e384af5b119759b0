import { z } from 'zod';
import type { KeyPath } from './located.ts';

/** Finds the part of a schema that speaks about a place: for the lists of allowed keys in messages. */
export function objectAt(schema: z.ZodType, path: KeyPath, value: unknown): z.ZodObject | null {
  return schemasAt([schema], path, value).find((candidate) => candidate instanceof z.ZodObject) ?? null;
}

/** What a schema calls its values, where it says so itself. */
export function descriptionAt(schema: z.ZodType, path: KeyPath, value: unknown): string | null {
  const described = schemasAt([schema], path, value).map((found) => z.globalRegistry.get(found)?.description);
  return described.find((text) => text !== undefined) ?? null;
}

/** The alternatives at a place where a union stands. */
export function optionsAt(schema: z.ZodType, path: KeyPath, value: unknown): readonly z.core.$ZodType[] {
  const parent = schemasAt([schema], path.slice(0, -1), value);
  const last = path.at(-1);
  const own = last === undefined ? [schema] : parent.flatMap((candidate) => childrenOf(candidate, last));
  const union = own.map(unwrapped).find((candidate) => candidate instanceof z.ZodUnion);
  return union instanceof z.ZodUnion ? union.options : [];
}

/** Every schema that may speak about a place: unions stand for their members. */
export function schemasAt(
  schemas: readonly z.core.$ZodType[],
  path: KeyPath,
  value: unknown,
): readonly z.core.$ZodType[] {
  const here = schemas.flatMap((schema) => alternativesOf(unwrapped(schema), value));
  const [step, ...rest] = path;
  if (step === undefined) return here;
  return schemasAt(
    here.flatMap((schema) => childrenOf(schema, step)),
    rest,
    childValue(value, step),
  );
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional ? unwrapped(schema.unwrap()) : schema;
}

/** A union stands for its members; one told apart by a key, for the members that the key's value chooses. */
function alternativesOf(schema: z.core.$ZodType, value: unknown): readonly z.core.$ZodType[] {
  if (!(schema instanceof z.ZodUnion)) return [schema];
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return schema.options.map(unwrapped);
  const { discriminator } = schema.def;
  const chosen = childValue(value, discriminator);
  return schema.options.filter((option) => {
    const key = option instanceof z.ZodObject ? childrenOf(option, discriminator)[0] : undefined;
    return key !== undefined && z.safeParse(key, chosen).success;
  });
}

/** What a schema says about one key or item of its values. */
export function childrenOf(schema: z.core.$ZodType, step: string | number): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
    const child = Object.hasOwn(shape, step) ? shape[step] : undefined;
    return child === undefined ? [] : [child];
  }
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  return [];
}

function childValue(value: unknown, step: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return Object.entries(value).find(([key]) => key === String(step))?.[1];
}
