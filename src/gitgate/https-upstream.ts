import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { askGitHost, type GitHost } from '../platform/git-https.ts';
import { bracketed } from '../policy/host.ts';
import { AdvertisementReader, type Advertisement } from '../protocol/git/advertisement.ts';
import type { GitService } from '../schema/git.ts';
import { fetchObjects } from './fetch.ts';
import type { Upstream, UpstreamPush } from './upstream.ts';

/** A repository on a forge, by https and a token. */
export interface HttpsUpstreamParts extends GitHost {
  readonly url: string;
  /** With its leading slash. */
  readonly path: string;
  /** The program that gives git the token, from descriptor 3. */
  readonly askpass: string;
  /** PEM file of all roots that git is to verify by; null for git's own. */
  readonly roots: string | null;
}

export class HttpsUpstream implements Upstream {
  readonly #parts: HttpsUpstreamParts;

  constructor(parts: HttpsUpstreamParts) {
    this.#parts = parts;
  }

  get url(): string {
    return this.#parts.url;
  }

  async advertise(service: GitService): Promise<Advertisement> {
    const answer = await this.#ask(`/info/refs?service=${service}`);
    const expected = `application/x-${service}-advertisement`;
    if (answer.headers['content-type'] !== expected) {
      answer.destroy();
      throw this.#failed('it does not answer as a git server does');
    }
    const reader = new AdvertisementReader({ http: true, limitBytes: LIMITS.gitAdvertisementBytes });
    const chunks: AsyncIterable<Buffer> = answer;
    for await (const chunk of chunks) {
      const reading = reader.push(chunk);
      if (reading.kind === 'complete') return reading.advertisement;
      if (reading.kind === 'refused') throw this.#failed(reading.why);
    }
    throw this.#failed('its answer ends early');
  }

  async fetch(directory: string, refs: readonly string[]): Promise<void> {
    const { user, host, port, path, askpass, roots, token } = this.#parts;
    await fetchObjects({
      url: this.url,
      directory,
      refs,
      source: `https://${encodeURIComponent(user)}@${bracketed(host)}:${port}${encodeURI(path)}`,
      protocol: 'https',
      settings: { 'http.proxy': '', 'http.sslVerify': 'true', ...(roots === null ? {} : { 'http.sslCAInfo': roots }) },
      env: { GIT_ASKPASS: askpass },
      secret: token,
    });
  }

  async beginPush(): Promise<UpstreamPush> {
    const advertisement = await this.advertise('git-receive-pack');
    return {
      advertisement,
      send: (body) => this.#send(body),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async #send(body: Readable): Promise<Buffer> {
    const type = 'application/x-git-receive-pack-request';
    const accept = 'application/x-git-receive-pack-result';
    const answer = await this.#ask('/git-receive-pack', { type, accept, body });
    const blocks: Buffer[] = [];
    let bytes = 0;
    const chunks: AsyncIterable<Buffer> = answer;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > LIMITS.gitAnswerBytes) throw this.#failed('its answer is too long');
      blocks.push(chunk);
    }
    return Buffer.concat(blocks);
  }

  async #ask(suffix: string, post?: { type: string; accept: string; body: Readable }): Promise<IncomingMessage> {
    const path = `${encodeURI(this.#parts.path)}${suffix}`;
    let answer: IncomingMessage;
    try {
      answer = await askGitHost(this.#parts, { path, ...(post === undefined ? {} : { post }) });
    } catch (failure) {
      throw this.#failed(failure instanceof Error ? failure.message : String(failure), failure);
    }
    if (answer.statusCode === 200) return answer;
    answer.destroy();
    throw this.#failed(this.#meaning(answer));
  }

  #meaning({ statusCode = 0, headers }: IncomingMessage): string {
    if (statusCode >= 300 && statusCode < 400)
      return `it sends us to ${headers.location ?? 'another address'}, and nobody is followed: write that address`;
    switch (statusCode) {
      case 401:
      case 403:
        return this.#parts.token === null
          ? `it wants a credential (${statusCode}): key: {provider: token, token_ref: NAME}`
          : `it refuses the token (${statusCode})`;
      case 404:
        return 'it knows no such repository, or hides it from this token (404)';
      default:
        return `it answers with ${statusCode}`;
    }
  }

  #failed(why: string, cause?: unknown): BottleError {
    return new BottleError('upstream_failed', { message: `${this.url} can't be reached: ${why}`, cause });
  }
}
