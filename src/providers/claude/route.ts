import type { Route, RouteAuth, RouteMatch } from '../../schema/route.ts';
import type { ClaudeSettings, ExtraEndpoint } from './settings.ts';

export const CLAUDE_HOST = 'api.anthropic.com';

/**
 * All that Claude Code needs to work, seen by running it with everything else refused: the conversation, and the
 * counting behind its context display. What it also asks for and does without: `GET /api/claude_code/settings` and
 * `/api/claude_code/policy_limits` (what an organisation rules for its members; a session on a terminal then notes
 * that they failed to load), and, only while its non-essential traffic is on, `/api/claude_cli/bootstrap`,
 * `/api/directory/server-urls`, `/api/eval/*`, `/api/event_logging/*`.
 */
const NEEDED: readonly RouteMatch[] = [
  { methods: ['POST'], paths: [exact('/v1/messages'), exact('/v1/messages/count_tokens')] },
];

const ON_REQUEST: Readonly<Record<ExtraEndpoint, readonly RouteMatch[]>> = {
  models: [{ methods: ['GET'], paths: [{ type: 'prefix', value: '/v1/models' }] }],
  files: [{ methods: ['GET', 'POST', 'DELETE'], paths: [{ type: 'prefix', value: '/v1/files' }] }],
  organisation: [
    { methods: ['GET'], paths: [exact('/api/claude_code/settings'), exact('/api/claude_code/policy_limits')] },
  ],
  batches: [{ methods: ['GET', 'POST', 'DELETE'], paths: [{ type: 'prefix', value: '/v1/messages/batches' }] }],
};

export function claudeRoute(settings: ClaudeSettings, tokenRef: string): Route {
  return {
    host: CLAUDE_HOST,
    auth: authOf(settings, tokenRef),
    matches: [...NEEDED, ...settings.endpoints.flatMap((endpoint) => ON_REQUEST[endpoint])],
  };
}

/** The API takes its two kinds of credential in two places: https://docs.anthropic.com/en/api/overview */
function authOf(settings: ClaudeSettings, tokenRef: string): RouteAuth {
  return settings.credential === 'oauth'
    ? { scheme: 'Bearer', token_ref: tokenRef }
    : { scheme: 'header', name: 'x-api-key', token_ref: tokenRef };
}

function exact(value: string): { readonly type: 'exact'; readonly value: string } {
  return { type: 'exact', value };
}
