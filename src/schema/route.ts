import { z } from 'zod';

/**
 * The one `Route` (host side, gateway and tools all infer from it; HOTSPOTS H1). The manifest spelling of REFERENCE 2
 * *is* the wire form: the gateway config carries the same JSON, decoded by the same schema.
 */

/** Host as users write it: exact name, `*.example.com`, an IP literal, optionally with `:port`. Normalised by `policy/host.ts`. */
export const HostSpecSchema = z.string().min(1).max(255);

export const PathMatchSchema = z.strictObject({
  type: z.enum(['exact', 'prefix', 'regex']),
  value: z.string().min(1).max(2048),
});
export const HeaderMatchSchema = z.strictObject({
  type: z.enum(['exact', 'regex']),
  name: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a header name'),
  value: z.string().max(4096),
});
export const MethodSchema = z.string().regex(/^[A-Z]{1,20}$/, 'an HTTP method in capitals');

/** Fields AND together, entries of the list OR. */
export const RouteMatchSchema = z
  .strictObject({
    paths: z.array(PathMatchSchema).min(1).optional(),
    methods: z.array(MethodSchema).min(1).optional(),
    headers: z.array(HeaderMatchSchema).min(1).optional(),
  })
  .refine((match) => Object.keys(match).length > 0, 'an entry without paths, methods or headers would match all');

export const AUTH_SCHEMES = ['Bearer', 'token', 'Basic', 'header', 'query'] as const;
/** `name` is the header's or parameter's name: required for `header` and `query`, refused for the others. */
export const RouteAuthSchema = z
  .strictObject({
    scheme: z.enum(AUTH_SCHEMES),
    token_ref: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a host variable'),
    name: z.string().min(1).max(128).optional(),
  })
  .refine((auth) => (auth.scheme === 'header' || auth.scheme === 'query') === (auth.name !== undefined), {
    message: '`name` goes with the schemes header and query, and only with them',
    path: ['name'],
  });

export const OUTBOUND_DETECTORS = ['token_patterns', 'known_secrets', 'entropy'] as const;
export const INBOUND_DETECTORS = ['prompt_injection', 'naive_injection_detection', 'minted_credentials'] as const;
export const RouteDlpSchema = z.strictObject({
  outbound_detectors: z.union([z.literal(false), z.array(z.enum(OUTBOUND_DETECTORS))]).optional(),
  inbound_detectors: z.union([z.literal(false), z.array(z.enum(INBOUND_DETECTORS))]).optional(),
  outbound_on_match: z.enum(['block', 'redact', 'supervise']).optional(),
  inbound_on_match: z.enum(['block', 'warn']).optional(),
});

export const PlaceholderSchema = z.strictObject({
  env: z.string(),
  in: z.enum(['header', 'query', 'form', 'json', 'path']),
  name: z.string().min(1),
});

export const RouteSchema = z.strictObject({
  host: HostSpecSchema,
  auth: RouteAuthSchema.optional(),
  matches: z.array(RouteMatchSchema).min(1).optional(),
  git: z.strictObject({ fetch: z.boolean().optional() }).optional(),
  dlp: RouteDlpSchema.optional(),
  tls: z.enum(['passthrough']).optional(),
  placeholders: z.array(PlaceholderSchema).min(1).optional(),
  agent_credentials: z.enum(['allow', 'deny']).optional(),
  /** Parts of an answer may be asked for although a credential went out with the request (SECURITY S13). */
  range: z.boolean().optional(),
});

export type Route = z.infer<typeof RouteSchema>;
export type RouteMatch = z.infer<typeof RouteMatchSchema>;
export type PathMatch = z.infer<typeof PathMatchSchema>;
export type Placeholder = z.infer<typeof PlaceholderSchema>;
export type RouteAuth = z.infer<typeof RouteAuthSchema>;
