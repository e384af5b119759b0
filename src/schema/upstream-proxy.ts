import { z } from 'zod';

/** A proxy between this machine and the network, as far as it is no secret; user and password travel beside it. */
export const UpstreamProxySchema = z.strictObject({
  scheme: z.enum(['http', 'https']),
  host: z.string(),
  port: z.int().min(1).max(65_535),
  /** It is sent names, not the addresses that were checked here (SECURITY S21). */
  resolves: z.boolean(),
  /** Hosts as routes spell them, which are reached without it. */
  noProxy: z.array(z.string()),
});
export type UpstreamProxy = z.infer<typeof UpstreamProxySchema>;
