/** Writes `schemas/*.schema.json` from the definitions that manifests are checked by. A test fails when they are stale. */
import fs from 'node:fs';
import path from 'node:path';
import { format } from 'prettier';
import { JSON_SCHEMA_NAMES, jsonSchema } from '../src/manifest/json-schema.ts';
import { ROOT } from './root.ts';

export async function schemaFiles(): Promise<ReadonlyMap<string, string>> {
  const files = JSON_SCHEMA_NAMES.map(
    async (name) =>
      [
        `schemas/${name}.schema.json`,
        await format(JSON.stringify(jsonSchema(name)), { parser: 'json', printWidth: 120 }),
      ] as const,
  );
  return new Map(await Promise.all(files));
}

if (import.meta.main) {
  for (const [file, text] of await schemaFiles()) {
    fs.mkdirSync(path.dirname(path.join(ROOT, file)), { recursive: true });
    fs.writeFileSync(path.join(ROOT, file), text);
    process.stdout.write(`${file}\n`);
  }
}
