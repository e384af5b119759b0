import { createReadStream, writeSync } from 'node:fs';
import type { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { MiB } from '../kernel/limits.ts';
import { SERVICE_FD, type ServiceEvent } from '../schema/egress-service.ts';
import { decodeJson } from '../schema/json.ts';

/**
 * A service of the bundle as a process: its document comes by a pipe that is read to its end and closed, it says on
 * another that it is ready, and it ends on SIGTERM.
 */
const DOCUMENT_BYTES = 16 * MiB;

export async function runService<Schema extends z.ZodType>(
  schema: Schema,
  start: (document: z.output<Schema>) => Promise<AsyncDisposable>,
): Promise<void> {
  try {
    const service = await start(await readDocument(schema));
    process.once('SIGTERM', () => {
      service[Symbol.asyncDispose]().then(() => process.exit(0), fail);
    });
    report({ event: 'ready' });
  } catch (failure) {
    fail(failure);
  }
}

async function readDocument<Schema extends z.ZodType>(schema: Schema): Promise<z.output<Schema>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of createReadStream('', { fd: SERVICE_FD.secrets })) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    size += chunk.length;
    if (size > DOCUMENT_BYTES) throw new BottleError('config_invalid', { message: 'the service document is too long' });
  }
  const document = decodeJson(schema, Buffer.concat(chunks).toString('utf8'));
  if (document.ok) return document.value;
  throw new BottleError('config_invalid', { message: `the service document is not valid: ${document.error}` });
}

function report(event: ServiceEvent): void {
  writeSync(SERVICE_FD.status, `${JSON.stringify(event)}\n`);
}

function fail(failure: unknown): void {
  process.stderr.write(`${failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)}\n`);
  report({ event: 'failed', message: failure instanceof Error ? failure.message : 'failed' });
  process.exit(1);
}
