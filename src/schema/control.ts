import { z } from 'zod';
import { GatewayConfigSchema } from './gateway-config.ts';

/** JSON-RPC 2.0, one message per line, between the host and a service's control socket. */
export const ControlRequestSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.int(), z.string().max(64)]),
  method: z.string().max(64),
  /** Every call carries the nonce (SECURITY S6); what else belongs to the method. */
  params: z.looseObject({ nonce: z.string().max(256) }),
});
export type ControlRequest = z.infer<typeof ControlRequestSchema>;

export const ControlResponseSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.int(), z.string(), z.null()]),
  result: z.unknown().optional(),
  error: z.strictObject({ code: z.int(), message: z.string() }).optional(),
});
export const ControlNotificationSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  method: z.string(),
  params: z.unknown(),
});
export const ControlMessageSchema = z.union([ControlResponseSchema, ControlNotificationSchema]);

export const CONTROL_ERROR = {
  parse: -32700,
  invalidRequest: -32600,
  unknownMethod: -32601,
  invalidParams: -32602,
  internal: -32603,
  unauthorised: -32001,
  refused: -32002,
} as const;

/** File name inside the bottle's control directory. */
export const CONTROL_SOCKET = 'control.sock';

export const GatewayStatusSchema = z.strictObject({
  slug: z.string(),
  generation: z.int(),
  routes: z.int(),
  state: z.enum(['serving', 'draining']),
  uptimeMs: z.number(),
});
export type GatewayStatus = z.infer<typeof GatewayStatusSchema>;

/** What the launcher's `reload` is asked: a whole policy, and values that are new; see `launch/renew.ts`. */
export const ReloadParamsSchema = z.strictObject({
  config: GatewayConfigSchema,
  credentials: z.array(z.string()).optional(),
  values: z.record(z.string(), z.string()).optional(),
});

export const ReloadedSchema = z.strictObject({
  ...GatewayStatusSchema.shape,
  /** The gateway was started anew, for its values have changed; else the running one took the policy over. */
  restarted: z.boolean(),
});
export type Reloaded = z.infer<typeof ReloadedSchema>;
