import { z } from 'zod';

/** Opened only when asked for (SECURITY S10); admin and token endpoints can't be asked for at all. */
export const EXTRA_ENDPOINTS = ['models', 'files', 'batches', 'organisation'] as const;
export type ExtraEndpoint = (typeof EXTRA_ENDPOINTS)[number];

/** `agent_provider.settings` of the template `claude`. */
export const ClaudeSettingsSchema = z.strictObject({
  /** What the host variable of `auth_token` holds: a token of `claude setup-token`, or an API key. */
  credential: z.enum(['oauth', 'api_key']).default('oauth'),
  /** `managed`: fetched once into the cache; `host`: the `claude` on the operator's PATH. */
  cli: z.enum(['managed', 'host']).default('managed'),
  /** Another version of the managed CLI than the one pinned here; its archive is then checked by the registry only. */
  version: z
    .string()
    .regex(/^2\.1\.\d{1,4}$/, 'a version of the 2.1 line, such as 2.1.329')
    .optional(),
  model: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:[\]-]{0,127}$/, 'a model name or alias')
    .optional(),
  /** What a headless run prints. */
  output: z.enum(['text', 'json', 'stream-json']).default('text'),
  /** With `stream-json`: also each piece of an answer as it arrives. */
  partial_messages: z.boolean().default(false),
  endpoints: z.array(z.enum(EXTRA_ENDPOINTS)).default([]),
});
export type ClaudeSettings = z.infer<typeof ClaudeSettingsSchema>;
