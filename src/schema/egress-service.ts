import { z } from 'zod';
import { GatewayConfigSchema, GatewaySecretsSchema } from './gateway-config.ts';
import { EGRESS_ROLES } from './plan.ts';

/** The one JSON document on the gateway's secret pipe. */
export const EgressServiceDocumentSchema = z.strictObject({
  config: GatewayConfigSchema,
  secrets: GatewaySecretsSchema,
  listeners: z.array(z.strictObject({ role: z.enum(EGRESS_ROLES), fd: z.int().min(3) })),
  /** How the operator's connections to a listener on the host are told from others'; null for a bottle's own. */
  peers: z
    .strictObject({ company: z.int().min(3), tcp: z.int().min(3), tcp6: z.int().min(3), uid: z.int().nonnegative() })
    .nullable(),
  /** Where the control socket is made. */
  controlDirectory: z.string().startsWith('/'),
  /** Where bodies are held that are too long for memory. */
  spillDirectory: z.string().startsWith('/'),
});
export type EgressServiceDocument = z.infer<typeof EgressServiceDocumentSchema>;

/** Descriptors that every service is started with. */
export const SERVICE_FD = { status: 3, secrets: 4, record: 5 } as const;

/** What a service says on its status pipe, one JSON object a line. */
export const ServiceEventSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('ready') }),
  z.strictObject({ event: z.literal('probe-seen') }),
  z.strictObject({ event: z.literal('failed'), message: z.string() }),
]);
export type ServiceEvent = z.infer<typeof ServiceEventSchema>;
