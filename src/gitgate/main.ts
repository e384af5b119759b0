import { createReadStream, writeSync } from 'node:fs';
import { BottleError } from '../kernel/errors.ts';
import { MiB } from '../kernel/limits.ts';
import { createRecordFile } from '../platform/record-file.ts';
import { SERVICE_FD, type ServiceEvent } from '../schema/egress-service.ts';
import { GateServiceDocumentSchema, type GateServiceDocument } from '../schema/git-gate.ts';
import { decodeJson } from '../schema/json.ts';
import { startGate, type RunningGate } from './service.ts';

/** The git gate as a service process: everything it needs comes by descriptors, and it ends on SIGTERM. */
const DOCUMENT_BYTES = 16 * MiB;

async function main(): Promise<void> {
  const document = await readDocument();
  const gate = await startGate({
    document,
    record: createRecordFile(SERVICE_FD.record),
    onBug: (failure) => {
      process.stderr.write(`a request was ended by a fault of ours: ${describe(failure)}\n`);
    },
  });
  process.once('SIGTERM', () => {
    void stop(gate);
  });
  report({ event: 'ready' });
}

async function stop(gate: RunningGate): Promise<void> {
  try {
    await gate[Symbol.asyncDispose]();
    process.exit(0);
  } catch (failure) {
    fail(failure);
  }
}

/** The pipe is read to its end and closed: after this no descriptor of ours leads to the secrets. */
async function readDocument(): Promise<GateServiceDocument> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of createReadStream('', { fd: SERVICE_FD.secrets })) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    size += chunk.length;
    if (size > DOCUMENT_BYTES) throw new BottleError('config_invalid', { message: 'the service document is too long' });
  }
  const document = decodeJson(GateServiceDocumentSchema, Buffer.concat(chunks).toString('utf8'));
  if (document.ok) return document.value;
  throw new BottleError('config_invalid', { message: `the service document is not valid: ${document.error}` });
}

function report(event: ServiceEvent): void {
  writeSync(SERVICE_FD.status, `${JSON.stringify(event)}\n`);
}

function fail(failure: unknown): void {
  process.stderr.write(`${describe(failure)}\n`);
  report({ event: 'failed', message: failure instanceof Error ? failure.message : 'failed' });
  process.exit(1);
}

function describe(failure: unknown): string {
  return failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
}

main().catch(fail);
