import { z } from 'zod';
import { OperatorRulesSchema } from './operator-rules.ts';
import { RouteSchema } from './route.ts';
import { UpstreamProxySchema } from './upstream-proxy.ts';

/**
 * What the egress gateway is told at start and at each reload. It holds no secret: `credential` is a slot number, and
 * the values of the slots come over the secret pipe as `GatewaySecrets`.
 */
export const CompiledRouteSchema = z.strictObject({
  /** Stable within one config: `manifest:api.github.com` or `provider:api.anthropic.com`; shown in records as `route`. */
  id: z.string(),
  origin: z.enum(['manifest', 'provider', 'probe']),
  /** Where it was written, for messages: `bottles/acme.md:12`, or the provider's name. */
  source: z.string(),
  route: RouteSchema,
  /** Index into `GatewaySecrets.credentials`; one slot per distinct `token_ref`. */
  credential: z.int().nonnegative().optional(),
});
export type CompiledRoute = z.infer<typeof CompiledRouteSchema>;

export const GatewayConfigSchema = z.strictObject({
  slug: z.string(),
  generation: z.int().nonnegative(),
  routes: z.array(CompiledRouteSchema),
  /** egress.log: 0 off, 1 decisions, 2 full. */
  log: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  /** True when a supervise service exists to ask; shapes the advice in refusals. */
  supervise: z.boolean(),
  /** The operator's own rules for credentials; absent when there are none. */
  rules: OperatorRulesSchema.optional(),
  upstream: z.strictObject({
    /** PEM texts of `settings.yml` upstream.extra_ca, already read. */
    extraCa: z.array(z.string()),
    /** `host:port` → `address:port`; such an address may be private. */
    resolve: z.record(z.string(), z.string()),
    proxy: UpstreamProxySchema.optional(),
  }),
});
export type GatewayConfig = z.infer<typeof GatewayConfigSchema>;

/** Read once from the secret pipe, to its end. Never logged, never written. */
export const GatewaySecretsSchema = z.strictObject({
  credentials: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  /** Values that stay outside: the bottle has the stand-in, the routes' `placeholders` say where it is swapped (SECURITY S9). */
  placeholders: z.array(z.strictObject({ name: z.string(), standIn: z.string(), value: z.string() })).optional(),
  /** Forwarded env values that the agent has inside; scanned for on the way out. */
  knownValues: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  /** Key of the fingerprints (SECURITY S25), 32 bytes base64. */
  fingerprintKey: z.string(),
  /** Per-bottle CA: certificate PEM and its private key PEM. */
  ca: z.strictObject({ certificate: z.string(), key: z.string() }),
  /** Expected in the probe's request; the gateway reports on its status pipe when it saw it. */
  probeNonce: z.string(),
  /** Every control call carries it (SECURITY S6). */
  controlNonce: z.string(),
  /** `user:password` for the proxy that upstreams are reached through. */
  upstreamLogin: z.string().optional(),
  /** Proxy user and password for `gateway --listen` off loopback. */
  proxyAuth: z.strictObject({ user: z.string(), password: z.string() }).optional(),
});
export type GatewaySecrets = z.infer<typeof GatewaySecretsSchema>;
