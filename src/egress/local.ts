import { sameText } from '../platform/control-socket.ts';
import type { Header } from '../policy/decide.ts';
import { serialiseResponseHead, type RequestHead } from '../protocol/http1/head.ts';
import type { GatewayCore } from './core.ts';
import type { Wire } from './wire.ts';

interface LocalAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly type: string;
  readonly body: string;
}

const NOT_FOUND: LocalAnswer = {
  status: 404,
  statusText: 'Not Found',
  type: 'text/plain; charset=utf-8',
  body: 'There is /allowlist here, and nothing else.\n',
};

/**
 * Answers `http://_egress.local/…` from memory. Nothing leaves and nothing is decided, so there is no record of it.
 */
export function answerLocally(core: GatewayCore, wire: Wire, head: RequestHead, target: string, keep: boolean): void {
  core.tally.localRequests += 1;
  const answer = route(core, head.method, target);
  const body = new TextEncoder().encode(answer.body);
  const headers: readonly Header[] = [
    ...(answer.status === 204
      ? []
      : ([
          ['content-type', answer.type],
          ['content-length', String(body.length)],
        ] as const)),
    ['cache-control', 'no-store'],
    ['connection', keep ? 'keep-alive' : 'close'],
  ];
  const answered = serialiseResponseHead(answer.status, answer.statusText, headers);
  wire.writeAll(head.method === 'HEAD' || answer.status === 204 ? [answered] : [answered, body]);
}

function route(core: GatewayCore, method: string, target: string): LocalAnswer {
  const [path = '', query = ''] = target.split('?');
  if (method !== 'GET' && method !== 'HEAD') return NOT_FOUND;
  if (path === '/allowlist') return allowlist(core);
  if (path === '/probe') return probe(core, query);
  return NOT_FOUND;
}

/** The live routes as the manifest spells them: names of host variables, never what is in them. */
function allowlist(core: GatewayCore): LocalAnswer {
  const { config } = core.live();
  const routes = config.routes.filter(({ origin }) => origin !== 'probe').map(({ route: live }) => live);
  const body = `${JSON.stringify({ generation: config.generation, routes }, null, 2)}\n`;
  return { status: 200, statusText: 'OK', type: 'application/json', body };
}

/** The confinement probe shows that it reaches this gateway and no other (SECURITY S4). */
function probe(core: GatewayCore, query: string): LocalAnswer {
  const [, nonce = ''] = /^nonce=([A-Za-z0-9_-]{1,256})$/.exec(query) ?? [];
  if (!sameText(nonce, core.probeNonce)) {
    return {
      status: 403,
      statusText: 'Forbidden',
      type: 'text/plain; charset=utf-8',
      body: 'This is not the nonce.\n',
    };
  }
  core.onProbeSeen();
  return { status: 204, statusText: 'No Content', type: '', body: '' };
}
