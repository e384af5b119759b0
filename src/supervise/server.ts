import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  hostHeaderValidation,
  originValidation,
  toNodeHandler,
  type NodeIncomingMessageLike,
} from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import type { Clock } from '../ports/clock.ts';
import type { SuperviseServiceDocument } from '../schema/supervise-service.ts';
import { Allowance } from './allowance.ts';
import { Desk } from './desk.ts';
import { SUPERVISE_LIMITS } from './limits.ts';
import { createToolServer } from './tools.ts';

/** Names that the agent may call it by; a page that a browser inside was lured to has another. */
const NAMES = ['supervise', '127.0.0.2', '127.0.0.1', 'localhost'];
const PATH = '/mcp';

export interface SuperviseParts {
  readonly document: SuperviseServiceDocument;
  readonly clock: Clock;
  readonly version: string;
  readonly onFault: (failure: Error) => void;
  /** For tests; else `LIMITS.waitMs`. */
  readonly waitMs?: number;
}

/** MCP by Streamable HTTP, each request by itself: nothing is held between two of them. */
export function createSuperviseServer({ document, clock, version, onFault, waitMs }: SuperviseParts): Server {
  const desk = new Desk(document, clock, waitMs);
  const requests = new Allowance(clock, SUPERVISE_LIMITS.requests);
  const maxRequestBodySize = SUPERVISE_LIMITS.requestBytes;
  const mcp = createMcpHandler(() => createToolServer(desk, version), {
    maxRequestBodySize,
    onerror: onFault,
    maxSubscriptions: 8,
  });
  const serve = toNodeHandler(mcp, { maxRequestBodySize, onerror: onFault });
  const hostHolds = hostHeaderValidation(NAMES);
  const originHolds = originValidation(NAMES);
  const server = createServer(
    { maxHeaderSize: SUPERVISE_LIMITS.headerBytes, headersTimeout: SUPERVISE_LIMITS.headersTimeoutMs },
    (request, response) => {
      if (!hostHolds(request, response) || !originHolds(request, response)) return;
      if (pathOf(request) !== PATH) {
        refuse(response, 404, `There is ${PATH} here, and nothing else.`);
        return;
      }
      if (!requests.take()) {
        refuse(response, 429, 'Too many requests; wait a few seconds.', { 'retry-after': '5' });
        return;
      }
      serve(asNodeLike(request), response).catch(onFault);
    },
  );
  server.maxConnections = SUPERVISE_LIMITS.connections;
  server.on('close', () => {
    mcp.close().catch(onFault);
  });
  return server;
}

/** A request that a server got has a method; its type is that of answers too. */
function asNodeLike(request: IncomingMessage): NodeIncomingMessageLike {
  return Object.assign(request, { method: request.method ?? 'GET', url: request.url ?? '/' });
}

function pathOf({ url }: IncomingMessage): string {
  return (url ?? '').split('?')[0] ?? '';
}

function refuse(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close', ...headers });
  response.end(`${text}\n`);
}
