import fs from 'node:fs';
import { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { decodeJson } from '../schema/json.ts';

/**
 * What a launch is about to create, written and synced before it does: a launcher killed at any moment leaves a list,
 * not a mystery. Only `cleanup` reads it.
 */
export const JournalEntrySchema = z.strictObject({
  step: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type JournalEntry = z.infer<typeof JournalEntrySchema>;

export class Journal implements Disposable {
  readonly #fd: number;

  constructor(file: string) {
    this.#fd = fs.openSync(file, 'a', 0o600);
  }

  append(entry: JournalEntry): void {
    fs.writeSync(this.#fd, `${JSON.stringify(entry)}\n`);
    fs.fdatasyncSync(this.#fd);
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.#fd);
  }
}

/** Reads what is whole: a last line torn by a power loss was the announcement of a step that never began. */
export function readJournal(file: string): readonly JournalEntry[] {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return [];
    throw failure;
  }
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const entry = decodeJson(JournalEntrySchema, line);
      if (entry.ok) return entry.value;
      throw new BottleError('state_invalid', { message: `${file} was not written by this version of bot-bottle` });
    });
}
