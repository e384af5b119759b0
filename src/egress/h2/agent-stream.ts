import { constants, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { createBodyDecoder, encodeChunk, encodeLastChunk, type BodyDecoder } from '../../protocol/http1/body.ts';
import { responseFraming } from '../../protocol/http1/framing.ts';
import { parseResponseHead, type ResponseHead } from '../../protocol/http1/head.ts';
import { pairsOf, streamFields, translateTrailers } from '../../protocol/http2/fields.ts';
import type { StreamRequest } from '../../protocol/http2/request.ts';
import type { Header } from '../../policy/decide.ts';
import { WireError } from '../wire.ts';
import { webSocketNonce } from '../websocket-handshake.ts';

const { NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM, NGHTTP2_PROTOCOL_ERROR } = constants;
const NOTHING = new Uint8Array(0);

/**
 * One stream of an agent's HTTP/2 connection as a connection of HTTP/1.1 with one request on it: the exchange behind it
 * decides, scans and answers as for every other way in (G-ONE). Counterpart: `upstream-stream.ts`.
 */
export class AgentStream extends Duplex {
  readonly #stream: ServerHttp2Stream;
  readonly #request: StreamRequest | null;
  readonly #chunked: boolean;
  #trailers: readonly Header[] = [];
  #unparsed: Uint8Array = NOTHING;
  #answer: BodyDecoder | 'raw' | null = null;
  #answerTrailers: readonly Header[] = [];
  /** The whole answer was handed to the stack; `#delivered`: and taken, its trailers too. */
  #answered = false;
  #delivered = false;
  #requestEnded: boolean;

  /** Without a request: what came was not one, and the stream is only there to be refused. */
  constructor(stream: ServerHttp2Stream, request: StreamRequest | null) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    this.#request = request;
    const hasBody = request !== null && !stream.endAfterHeaders && (request.method !== 'CONNECT' || request.webSocket);
    this.#requestEnded = stream.endAfterHeaders;
    this.#chunked = hasBody && request.length === null && !request.webSocket;
    stream.on('error', () => undefined);
    stream.on('close', this.#onClose);
    stream.on('wantTrailers', () => {
      if (!stream.closed) stream.sendTrailers(Object.fromEntries(gathered(this.#answerTrailers)));
      this.#deliver();
    });
    if (request !== null) this.push(headBytes(request, this.#chunked));
    if (request === null || !hasBody) {
      stream.resume();
      this.push(null);
      return;
    }
    stream.on('trailers', this.#onTrailers);
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
  }

  override _read(): void {
    if (!this.#stream.destroyed) this.#stream.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (failure?: Error | null) => void): void {
    // A stream that was reset is closed before it is destroyed, and takes nothing from then on.
    if (this.#stream.destroyed || this.#stream.closed) {
      done();
      return;
    }
    let rest = chunk;
    while (this.#answer === null) {
      this.#unparsed = this.#unparsed.length === 0 ? rest : Buffer.concat([this.#unparsed, rest]);
      const parsed = parseResponseHead(this.#unparsed);
      if (parsed.kind !== 'head') {
        if (parsed.kind === 'invalid') this.destroy();
        done();
        return;
      }
      rest = this.#unparsed.subarray(parsed.consumed);
      this.#unparsed = NOTHING;
      this.#begin(parsed.head);
      if (rest.length === 0) {
        done();
        return;
      }
    }
    this.#passOn(rest, done);
  }

  override _final(done: (failure?: Error | null) => void): void {
    const stream = this.#stream;
    if (this.#answer === null) stream.close(NGHTTP2_REFUSED_STREAM);
    if (this.#answer === 'raw' && !this.#answered) this.#finish();
    if (this.#delivered || stream.destroyed || !this.#answered) done();
    else this.#onDelivered = done;
  }

  #onDelivered: (() => void) | null = null;

  #deliver(): void {
    this.#delivered = true;
    const action = this.#onDelivered;
    this.#onDelivered = null;
    action?.();
  }

  override _destroy(failure: Error | null, done: (failure?: Error | null) => void): void {
    const stream = this.#stream;
    stream.off('close', this.#onClose);
    this.#onDelivered?.();
    if (stream.closed || (this.#answered && this.#requestEnded)) {
      // Ends by itself.
    } else if (this.#delivered) {
      stream.close(NGHTTP2_NO_ERROR);
    } else {
      // `close` would end the stream before it resets it: half an answer must not look like a whole one.
      stream.destroy(new WireError('gone'));
    }
    done(failure);
  }

  /** The next head of the answer: interim ones are passed on, a switch of protocols opens the stream both ways. */
  #begin(head: ResponseHead): void {
    const stream = this.#stream;
    const fields = streamFields(head.headers);
    if (head.status === 101) {
      this.#answer = 'raw';
      this.#deliverAtFinish();
      stream.respond(
        flat(
          200,
          fields.filter(([name]) => name !== 'sec-websocket-accept'),
        ),
      );
      return;
    }
    if (head.status < 200) {
      stream.additionalHeaders({ ':status': head.status, ...Object.fromEntries(gathered(fields)) });
      return;
    }
    const framing = responseFraming(head, this.#request?.method ?? 'GET');
    if (!framing.ok) {
      this.destroy();
      return;
    }
    this.#answer = framing.value.kind === 'none' ? 'raw' : createBodyDecoder(framing.value);
    if (framing.value.kind !== 'none') {
      const chunked = framing.value.kind === 'chunked';
      stream.respond(flat(head.status, fields), { waitForTrailers: chunked });
      if (!chunked) this.#deliverAtFinish();
      return;
    }
    this.#answered = true;
    this.#deliverAtFinish();
    stream.respond(flat(head.status, fields), { endStream: true });
  }

  #deliverAtFinish(): void {
    // The stack ends a stream that was opened by HEAD before anything is answered.
    if (this.#request?.method === 'HEAD') this.#deliver();
    else
      this.#stream.once('finish', () => {
        this.#deliver();
      });
  }

  #passOn(bytes: Uint8Array, done: (failure?: Error | null) => void): void {
    if (this.#answer === null || this.#answered) {
      done();
      return;
    }
    if (this.#answer === 'raw') {
      this.#stream.write(bytes, () => {
        done();
      });
      return;
    }
    const step = this.#answer.push(bytes);
    if (step.error !== null) {
      this.destroy();
      done();
      return;
    }
    this.#answerTrailers = step.trailers;
    const data = step.data.length === 1 ? step.data[0] : Buffer.concat(step.data);
    if (step.done) {
      // Our own side is done; the callback waits for no window, `_final` does.
      this.#finish(data);
      done();
    } else if (data === undefined || data.length === 0) {
      done();
    } else {
      this.#stream.write(data, () => {
        done();
      });
    }
  }

  #finish(last: Uint8Array = NOTHING): void {
    this.#answered = true;
    if (last.length > 0) this.#stream.end(last);
    else this.#stream.end();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(this.#chunked ? encodeChunk(chunk) : chunk)) this.#stream.pause();
  };

  readonly #onTrailers = (_headers: unknown, _flags: number, flatFields: readonly string[]): void => {
    const trailers = translateTrailers(pairsOf(flatFields));
    if (trailers.ok) this.#trailers = trailers.value;
    else this.#stream.close(NGHTTP2_PROTOCOL_ERROR);
  };

  readonly #onEnd = (): void => {
    if (this.#stream.rstCode > 0) return;
    this.#requestEnded = true;
    if (this.#chunked) this.push(encodeLastChunk(this.#trailers));
    this.push(null);
  };

  /** Over before we had answered: the agent has gone. */
  readonly #onClose = (): void => {
    this.#onDelivered?.();
    if (!this.#delivered) this.destroy();
    else if (!this.#requestEnded) this.push(null);
  };
}

/** As text and unchecked: the strict parser reads it next, and what may split a line is out of `translateRequest`. */
function headBytes(request: StreamRequest, chunked: boolean): Uint8Array {
  const fields: readonly Header[] = [
    ...request.headers,
    ['te', 'trailers'],
    ...(chunked ? ([['transfer-encoding', 'chunked']] as const) : []),
    ...(request.webSocket
      ? ([
          ['connection', 'upgrade'],
          ['upgrade', 'websocket'],
          ['sec-websocket-key', webSocketNonce()],
        ] as const)
      : ([['connection', 'close']] as const)),
  ];
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`${request.method} ${request.target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
}

function flat(status: number, fields: readonly Header[]): readonly string[] {
  return [':status', String(status), ...fields.flat()];
}

/** By name, for the calls that take no list. */
function gathered(fields: readonly Header[]): ReadonlyMap<string, string[]> {
  const byName = new Map<string, string[]>();
  for (const [name, value] of fields) byName.set(name, [...(byName.get(name) ?? []), value]);
  return byName;
}
