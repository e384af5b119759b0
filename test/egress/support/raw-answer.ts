import type { Socket } from 'node:net';
import { openTls, readUntil, reasonOf, statusOf } from './agent.ts';
import { ask, openH2 } from './h2.ts';
import type { Harness } from './harness.ts';

/** What an agent made of an answer, whatever it speaks. */
export interface Told {
  readonly status: number;
  readonly reason: string | undefined;
  /** All of the answer came, as far as its framing tells. */
  readonly whole: boolean;
  readonly body: string;
  /** Why the stream was reset, for HTTP/2. */
  readonly resetCode?: number;
}

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
}

/** One request over HTTP/1.1 on a connection of its own, read to its end. */
export async function askHttp1(harness: Harness, host: string, asked: Asked = {}): Promise<Told> {
  const socket: Socket = await openTls(harness, host);
  const { method = 'GET', path = '/', body } = asked;
  const length = body === undefined ? '' : `Content-Length: ${String(body.length)}\r\n`;
  const answered = readUntil(socket, null);
  socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${length}\r\n${body ?? ''}`);
  const text = await answered;
  socket.destroy();
  return readAnswer(text);
}

export function readAnswer(text: string): Told {
  const end = text.indexOf('\r\n\r\n');
  const told = { status: statusOf(text), reason: reasonOf(text) };
  if (end === -1) return { ...told, whole: false, body: '' };
  const [head, rest] = [text.slice(0, end + 2), text.slice(end + 4)];
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
  if (length !== undefined) return { ...told, whole: rest.length === Number(length), body: rest };
  const chunked = /\r\ntransfer-encoding: chunked\r\n/i.test(head);
  return { ...told, whole: !chunked || rest.endsWith('0\r\n\r\n'), body: rest };
}

export async function askHttp2(harness: Harness, host: string, asked: Asked = {}): Promise<Told> {
  using agent = await openH2(harness, host);
  const answer = await ask(agent, { ':method': asked.method ?? 'GET', ':path': asked.path ?? '/' }, asked.body);
  const { status, reason, rstCode, body } = answer;
  return { status, reason, whole: status !== 0 && rstCode === 0, body: body.toString('latin1'), resetCode: rstCode };
}
