import { z } from 'zod';
import { err, ok, type Result } from '../kernel/result.ts';

/** JSON text as the value its schema describes: text never becomes a value that nobody has checked. */
export function decodeJson<Schema extends z.ZodType>(schema: Schema, text: string): Result<z.output<Schema>, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (failure) {
    return err(failure instanceof SyntaxError ? 'not JSON' : String(failure));
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? ok(parsed.data) : err(z.prettifyError(parsed.error));
}

/** Any JSON object; for JSON that is passed on rather than read. */
export const JsonObjectSchema = z.record(z.string(), z.unknown());
export type JsonObject = z.infer<typeof JsonObjectSchema>;
