import type { Socket } from 'node:net';
import { startRawOrigin, type Origin } from './origin.ts';

/** An upstream that writes down all that reaches it, as requests where it is whole ones. */
export interface RecordingOrigin extends Origin {
  /** What came since the last call, in order: `METHOD target [body]`; the rest of a connection that is no request as `part: …`. */
  readonly take: () => readonly string[];
  /** The heads of the same requests, as they stood on the wire. */
  readonly heads: () => readonly string[];
}

interface RecordingOptions {
  readonly name?: string;
  readonly tls?: boolean;
  /** What each whole request is answered; a small 200 when not given. */
  readonly answer?: (head: string, socket: Socket) => void;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export async function startRecording({ answer, ...options }: RecordingOptions = {}): Promise<RecordingOrigin> {
  let taken: string[] = [];
  let heads: string[] = [];
  const unread = new Map<Socket, string>();
  /** What these carry by now is no HTTP. */
  const switched = new WeakSet<Socket>();
  const origin = await startRawOrigin((socket) => {
    unread.set(socket, '');
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      if (switched.has(socket)) return;
      let text = `${unread.get(socket) ?? ''}${chunk.toString('latin1')}`;
      for (let request = readRequest(text); request !== null; request = readRequest(text)) {
        text = text.slice(request.length);
        taken.push(request.line);
        heads.push(request.head);
        if (/\r\nupgrade: /i.test(request.head)) switched.add(socket);
        if (answer !== undefined) answer(request.head, socket);
        else socket.write(request.line.startsWith('HEAD ') ? OK.slice(0, -2) : OK);
      }
      unread.set(socket, text);
    });
  }, options);
  return {
    ...origin,
    take() {
      const parts = [...unread.values()].filter((text) => text !== '').map((text) => `part: ${text}`);
      const all = [...taken, ...parts];
      [taken, heads] = [[], []];
      for (const socket of unread.keys()) unread.set(socket, '');
      return all;
    },
    heads: () => heads,
  };
}

/** The first whole request, read as a server would that knows two framings and nothing else. */
function readRequest(text: string): { readonly line: string; readonly head: string; readonly length: number } | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const head = text.slice(0, end + 4);
  const [method = '', target = ''] = head.split(' ');
  const rest = text.slice(head.length);
  const body = /\r\ntransfer-encoding: chunked\r\n/i.test(head) ? readChunks(rest) : readLength(head, rest);
  if (body === null) return null;
  return { line: `${method} ${target} [${body.data}]`, head, length: head.length + body.length };
}

function readLength(head: string, rest: string): { readonly data: string; readonly length: number } | null {
  const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1] ?? 0);
  return rest.length < length ? null : { data: rest.slice(0, length), length };
}

function readChunks(rest: string): { readonly data: string; readonly length: number } | null {
  let data = '';
  for (let at = 0; ;) {
    const line = /^([0-9a-f]+)\r\n/.exec(rest.slice(at));
    if (line === null) return null;
    const size = Number.parseInt(line[1] ?? '', 16);
    at += line[0].length;
    if (size === 0) {
      const end = rest.startsWith('\r\n', at) ? at : rest.indexOf('\r\n\r\n', at) + 2;
      return end === 1 || rest.length < end + 2 ? null : { data, length: end + 2 };
    }
    if (rest.length < at + size + 2) return null;
    data += rest.slice(at, at + size);
    at += size + 2;
  }
}
