import { z } from 'zod';

/** What the soak's processes tell each other, on their channels. */
export const StartGatewaySchema = z.object({
  record: z.string(),
  routes: z.array(z.object({ host: z.string(), tls: z.literal('passthrough').optional() })),
  resolve: z.record(z.string(), z.object({ address: z.string(), port: z.number() })),
  upstreamCa: z.string(),
  secret: z.string(),
  spill: z.string(),
});
export type StartGateway = z.output<typeof StartGatewaySchema>;

const AskSchema = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('start'), parts: StartGatewaySchema }),
  z.object({ ask: z.literal('reload'), generation: z.number(), hosts: z.array(z.string()) }),
  z.object({ ask: z.literal('state') }),
  z.object({ ask: z.literal('stop') }),
]);
export type Ask = z.output<typeof AskSchema>;
export const parseAsk = (message: unknown): Ask => AskSchema.parse(message);

export const StateSchema = z.object({
  proxyPort: z.number(),
  ca: z.string(),
  rssBytes: z.number(),
  openConnections: z.number(),
  bufferedBytes: z.number(),
  requestsActive: z.number(),
  bugs: z.array(z.string()),
});
export type State = z.output<typeof StateSchema>;

export const OriginSchema = z.object({
  resolve: z.record(z.string(), z.object({ address: z.string(), port: z.number() })),
  ca: z.string(),
});
