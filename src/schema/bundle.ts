import { z } from 'zod';

/** What the launcher and the bundle's init say to each other: one JSON object a line, over inherited pipes. */
export const SERVICE_NAMES = ['egress', 'git-gate', 'supervise'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];
const ServiceNameSchema = z.enum(SERVICE_NAMES);

/** Read once from init's secret pipe. `document` is what goes, byte for byte, into the service's own secret pipe. */
export const InitDocumentSchema = z.strictObject({
  services: z.array(z.strictObject({ name: ServiceNameSchema, document: z.string() })).min(1),
});
export type InitDocument = z.infer<typeof InitDocumentSchema>;

/** Launcher → init: what happened. */
export const InitEventSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('ready'), service: ServiceNameSchema, instance: z.int() }),
  z.strictObject({
    event: z.literal('exited'),
    service: ServiceNameSchema,
    instance: z.int(),
    code: z.int().nullable(),
    signal: z.string().nullable(),
  }),
  z.strictObject({ event: z.literal('stop') }),
  z.strictObject({ event: z.literal('restart'), service: ServiceNameSchema }),
  /** The service's new document: its next instance gets it, and the present one goes on. */
  z.strictObject({ event: z.literal('document'), service: ServiceNameSchema, document: z.string() }),
]);
export type InitEvent = z.infer<typeof InitEventSchema>;

/** Init → launcher: what to do. */
export const InitOrderSchema = z.discriminatedUnion('order', [
  z.strictObject({ order: z.literal('spawn'), service: ServiceNameSchema, instance: z.int(), document: z.string() }),
  z.strictObject({
    order: z.literal('signal'),
    service: ServiceNameSchema,
    instance: z.int(),
    signal: z.enum(['SIGTERM', 'SIGKILL']),
  }),
  z.strictObject({ order: z.literal('note'), text: z.string() }),
  z.strictObject({ order: z.literal('end'), status: z.int(), reason: z.string() }),
]);
export type InitOrder = z.infer<typeof InitOrderSchema>;

/** Descriptors of init: events come on 0, orders go out on 3, the secrets come once on 4. */
export const INIT_FD = { events: 0, orders: 3, secrets: 4 } as const;

/** Shells and bubblewrap report a child that a signal ended as 128 and the signal's number. */
const SIGNALLED = 128;
const SIGNAL_NAMES: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  11: 'SIGSEGV',
  15: 'SIGTERM',
  31: 'SIGSYS',
};

/** How a process ended, in words for logs and reasons. */
export function describeExit(code: number | null, signal: string | null): string {
  if (signal !== null) return `killed by ${signal}`;
  if (code === null) return 'not started';
  const name = SIGNAL_NAMES[code - SIGNALLED];
  return name === undefined ? `exit ${code}` : `killed by ${name}`;
}
