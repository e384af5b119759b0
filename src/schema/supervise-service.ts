import { z } from 'zod';
import { RouteSchema } from './route.ts';

/** The one JSON document on the pipe of the supervise service. There is no secret in it. */
export const SuperviseServiceDocumentSchema = z.strictObject({
  slug: z.string(),
  listenerFd: z.int().min(3),
  /** Its own directory, for what is asked. */
  askedDirectory: z.string().startsWith('/'),
  /** The launcher's, which it may only read: answers, and the routes there are. */
  answersDirectory: z.string().startsWith('/'),
});
export type SuperviseServiceDocument = z.infer<typeof SuperviseServiceDocumentSchema>;

/** File in the directory of answers, replaced whole at each reload: what `list-egress-routes` answers from. */
export const ROUTES_FILE = 'routes.jsonl';
export const RoutesSnapshotSchema = z.strictObject({ generation: z.int(), routes: z.array(RouteSchema) });
export type RoutesSnapshot = z.infer<typeof RoutesSnapshotSchema>;

/** File in the directory of what is asked: what the agent reported, a line each. */
export const REPORTS_FILE = 'reports.log';
export const ReportSchema = z.strictObject({ at: z.string(), text: z.string().max(2_000) });
export type Report = z.infer<typeof ReportSchema>;
