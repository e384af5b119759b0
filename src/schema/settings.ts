import { z } from 'zod';
import { Secret } from '../kernel/secret.ts';
import { OperatorRulesSchema } from './operator-rules.ts';
import { BACKEND_NAMES } from './plan.ts';
import { UpstreamProxySchema } from './upstream-proxy.ts';

/** `settings.yml` of the bot-bottle home as people write it (REFERENCE 4). */
export const SettingsFileSchema = z.strictObject({
  upstream: z
    .strictObject({
      extra_ca: z.array(z.string().min(1)).optional(),
      proxy: z.string().min(1).optional(),
      proxy_resolves: z.boolean().optional(),
      no_proxy: z.array(z.string().min(1)).optional(),
      resolve: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
  dlp: z.strictObject({ rules: z.array(z.string().min(1)).optional() }).optional(),
  backend: z.enum(BACKEND_NAMES).optional(),
  strict_secrets: z.boolean().optional(),
  supervise: z.strictObject({ hold_s: z.int().positive().optional() }).optional(),
  budgets: z.record(z.string(), z.unknown()).optional(),
});

/** The same, read: files are their contents, what is absent has its default. */
export const SettingsSchema = z.strictObject({
  upstream: z.strictObject({
    /** PEM texts: certificates only, whatever else the files hold. */
    extraCa: z.array(z.string()),
    /** `host:port` → `address:port`. */
    resolve: z.record(z.string(), z.string()),
    /** User and password apart from the rest: the plan, which is printed, holds only the rest. */
    proxy: z.strictObject({ address: UpstreamProxySchema, login: z.instanceof(Secret).nullable() }).nullable(),
  }),
  /** What the files under `dlp.rules` say; null when none are named. */
  rules: OperatorRulesSchema.nullable(),
  backend: z.enum(BACKEND_NAMES).nullable(),
  /** A secret that would be inside in clear refuses the start (SECURITY S8). */
  strictSecrets: z.boolean(),
});
export type Settings = z.infer<typeof SettingsSchema>;
