import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { createBodyDecoder, encodeChunk, encodeLastChunk, type BodyDecoder } from '../../protocol/http1/body.ts';
import { requestFraming } from '../../protocol/http1/framing.ts';
import { parseRequestHead, serialiseResponseHead, type RequestHead } from '../../protocol/http1/head.ts';
import { reasonPhrase } from '../../protocol/http1/reason-phrases.ts';
import {
  pairsOf,
  streamFields,
  translateAnswer,
  translateTrailers,
  type StreamAnswer,
} from '../../protocol/http2/fields.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { Header } from '../../policy/decide.ts';
import { headerTokens, headerValues } from '../headers.ts';
import { acceptValue } from '../websocket-handshake.ts';

const { NGHTTP2_PROTOCOL_ERROR, NGHTTP2_FLAG_END_STREAM } = constants;
const NOTHING = new Uint8Array(0);

/**
 * A stream of an upstream's HTTP/2 connection as a connection of HTTP/1.1 that takes one request. Counterpart:
 * `agent-stream.ts`; which of the two sides speaks HTTP/2 is nothing that the exchange between them sees.
 */
export class UpstreamStream extends Duplex {
  readonly #session: ClientHttp2Session;
  /** Resets with CANCEL, without the orderly end that `close` would send first: half a body is not a whole one. */
  readonly #cancel = new AbortController();
  #stream: ClientHttp2Stream | null = null;
  #method = 'GET';
  /** The key of the WebSocket that was asked for, whose bytes pass as they are; null for a request. */
  #webSocketKey: string | null = null;
  #unparsed: Uint8Array = NOTHING;
  #body: BodyDecoder | null = null;
  #sent = false;
  #sentTrailers: readonly Header[] = [];
  #answered = false;
  #chunked = false;
  /** What is still to come of a body whose length was told. */
  #leftBytes: number | null = null;
  #trailers: readonly Header[] = [];

  constructor(session: ClientHttp2Session) {
    super({ allowHalfOpen: true });
    this.#session = session;
  }

  override _read(): void {
    if (this.#stream?.destroyed === false) this.#stream.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (failure?: Error | null) => void): void {
    let rest = chunk;
    if (this.#stream === null) {
      this.#unparsed = this.#unparsed.length === 0 ? chunk : Buffer.concat([this.#unparsed, chunk]);
      const parsed = parseRequestHead(this.#unparsed);
      if (parsed.kind !== 'head' || !this.#open(parsed.head)) {
        if (parsed.kind !== 'need-more') this.destroy();
        done();
        return;
      }
      rest = this.#unparsed.subarray(parsed.consumed);
      this.#unparsed = NOTHING;
    }
    this.#passOn(rest, done);
  }

  override _final(done: (failure?: Error | null) => void): void {
    if (this.#webSocketKey !== null) this.#endWebSocket();
    else if (!this.#sent) this.destroy();
    done();
  }

  override _destroy(failure: Error | null, done: (failure?: Error | null) => void): void {
    const stream = this.#stream;
    if (stream !== null) {
      stream.off('close', this.#onClose);
      if (!this.#sent || !(this.#answered || this.#leftBytes === 0)) this.#cancel.abort();
      else if (!this.#answered) this.#awaitEnd(stream);
    }
    done(failure);
  }

  /** The last byte is here and the end is not, which comes on its own as a rule: a reset would say that we gave up. */
  #awaitEnd(stream: ClientHttp2Stream): void {
    const timer = setTimeout(() => {
      this.#cancel.abort();
    }, LIMITS.discardMs);
    timer.unref();
    stream.once('close', () => {
      clearTimeout(timer);
    });
    stream.removeAllListeners('data');
    stream.resume();
  }

  #open(head: RequestHead): boolean {
    const framing = requestFraming(head);
    if (!framing.ok || this.#session.destroyed || this.#session.closed) return false;
    this.#method = head.method;
    const { kind } = framing.value;
    const [authority = ''] = headerValues(head.headers, 'host');
    this.#webSocketKey = isUpgrade(head) ? (headerValues(head.headers, 'sec-websocket-key')[0] ?? '') : null;
    const webSocket = this.#webSocketKey !== null;
    const fields: readonly Header[] = [
      [':method', webSocket ? 'CONNECT' : head.method],
      ...(webSocket ? ([[':protocol', 'websocket']] as const) : []),
      [':scheme', 'https'],
      [':authority', authority],
      [':path', head.target],
      ...streamFields(head.headers).filter(([name]) => !webSocket || name !== 'sec-websocket-key'),
      // Trailers are read on every leg of ours.
      ...(webSocket ? [] : ([['te', 'trailers']] as const)),
    ];
    const stream = this.#session.request(fields.flat(), {
      endStream: kind === 'none' && !webSocket,
      waitForTrailers: kind === 'chunked',
      signal: this.#cancel.signal,
    });
    this.#stream = stream;
    this.#sent = kind === 'none' && !webSocket;
    this.#body = kind === 'none' ? null : createBodyDecoder(framing.value);
    this.#listen(stream);
    return true;
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on('error', () => undefined);
    stream.on('close', this.#onClose);
    stream.on('headers', (_headers: unknown, flags: number, flat: readonly string[]) => {
      this.#onHead(flags, flat);
    });
    stream.on('response', (_headers: unknown, flags: number, flat: readonly string[]) => {
      this.#onHead(flags, flat);
    });
    stream.on('trailers', (_headers: unknown, _flags: number, flat: readonly string[]) => {
      const trailers = translateTrailers(pairsOf(flat));
      if (trailers.ok) this.#trailers = trailers.value;
      else stream.close(NGHTTP2_PROTOCOL_ERROR);
    });
    stream.on('wantTrailers', () => {
      if (!stream.closed) stream.sendTrailers(Object.fromEntries(this.#sentTrailers));
    });
    stream.on('data', (chunk: Buffer) => {
      if (this.#leftBytes !== null) this.#leftBytes -= chunk.length;
      if (!this.push(this.#chunked ? encodeChunk(chunk) : chunk)) stream.pause();
    });
    stream.on('end', () => {
      if (stream.rstCode > 0) return;
      this.#answered = true;
      if (this.#chunked) this.push(encodeLastChunk(this.#trailers));
      this.push(null);
    });
  }

  #passOn(bytes: Uint8Array, done: (failure?: Error | null) => void): void {
    const stream = this.#stream;
    if (stream !== null && this.#webSocketKey !== null && !this.#sent && !stream.destroyed && bytes.length > 0) {
      stream.write(bytes, () => {
        done();
      });
      return;
    }
    if (stream === null || this.#body === null || this.#sent || stream.destroyed || bytes.length === 0) {
      done();
      return;
    }
    const step = this.#body.push(bytes);
    if (step.error !== null) {
      this.destroy();
      done();
      return;
    }
    const data = step.data.length === 1 ? (step.data[0] ?? NOTHING) : Buffer.concat(step.data);
    if (step.done) {
      this.#sent = true;
      this.#sentTrailers = step.trailers;
      if (data.length > 0) stream.end(data);
      else stream.end();
      done();
    } else if (data.length === 0) {
      done();
    } else {
      stream.write(data, () => {
        done();
      });
    }
  }

  #onHead(flags: number, flat: readonly string[]): void {
    const answer = translateAnswer(pairsOf(flat));
    const { status, headers } = answer.ok ? answer.value : { status: 0, headers: [] };
    if (!answer.ok) {
      // Said in a way that the reader of the answer can't take for one.
      this.push(Buffer.from(`HTTP/2 ${answer.error}\r\n\r\n`, 'latin1'));
      this.push(null);
      return;
    }
    if (this.#webSocketKey !== null && status >= 200 && status < 300) {
      this.push(Buffer.from(switchedHead(headers, this.#webSocketKey), 'latin1'));
      return;
    }
    // One that says no says it as an answer like any other, and reads no more.
    if (this.#webSocketKey !== null && status >= 300) this.#endWebSocket();
    const framing = status < 200 ? [] : this.#framing({ status, headers }, (flags & NGHTTP2_FLAG_END_STREAM) !== 0);
    const head = serialiseResponseHead(status, reasonPhrase(status), [...headers, ...framing]);
    this.push(Buffer.from(head, 'latin1'));
  }

  #endWebSocket(): void {
    if (this.#sent) return;
    this.#sent = true;
    this.#stream?.end();
  }

  /** HTTP/1.1 says at the head how the body ends. */
  #framing({ status, headers }: StreamAnswer, endsWithHead: boolean): readonly Header[] {
    const empty = this.#method === 'HEAD' || status === 204 || status === 304;
    const [length] = headerValues(headers, 'content-length');
    this.#leftBytes = empty ? 0 : length === undefined ? null : Number(length);
    if (empty || length !== undefined) return [];
    if (endsWithHead) return [['content-length', '0']];
    this.#chunked = true;
    return [['transfer-encoding', 'chunked']];
  }

  readonly #onClose = (): void => {
    if (this.#answered) return;
    this.destroy();
  };
}

function isUpgrade({ headers }: RequestHead): boolean {
  return headerTokens(headers, 'upgrade').includes('websocket');
}

/** RFC 8441, 5: there is no key and no accept value on a stream, so ours is answered here. */
function switchedHead(headers: readonly Header[], key: string): string {
  return serialiseResponseHead(101, 'Switching Protocols', [
    ...headers,
    ['connection', 'Upgrade'],
    ['upgrade', 'websocket'],
    ['sec-websocket-accept', acceptValue(key)],
  ]);
}
