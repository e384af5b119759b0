import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { AdvertisementReader, type Advertisement } from '../protocol/git/advertisement.ts';
import { FLUSH } from '../protocol/git/pkt-line.ts';
import type { GitService } from '../schema/git.ts';
import { lastWords } from './git.ts';
import type { Link, Upstream, UpstreamPush } from './upstream.ts';

/** Upstreams that are spoken to over a link: a local repository by the launcher's socket, another host by ssh. */
export class LinkedUpstream implements Upstream {
  readonly url: string;
  readonly #open: (service: GitService) => Promise<Link>;
  readonly #fetch: Upstream['fetch'];

  constructor(url: string, open: (service: GitService) => Promise<Link>, fetch: Upstream['fetch']) {
    this.url = url;
    this.#open = open;
    this.#fetch = fetch;
  }

  async advertise(service: GitService): Promise<Advertisement> {
    await using link = await this.#open(service);
    const advertisement = await readAdvertisement(link, this.url);
    link.stdin.end(FLUSH);
    return advertisement;
  }

  fetch(directory: string, refs: readonly string[]): Promise<void> {
    return this.#fetch(directory, refs);
  }

  async beginPush(): Promise<UpstreamPush> {
    const link = await this.#open('git-receive-pack');
    try {
      const advertisement = await readAdvertisement(link, this.url);
      return {
        advertisement,
        send: (body) => answerOver(link, body, this.url),
        [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
      };
    } catch (failure) {
      await link[Symbol.asyncDispose]();
      throw failure;
    }
  }
}

async function readAdvertisement(link: Link, url: string): Promise<Advertisement> {
  const reader = new AdvertisementReader({ http: false, limitBytes: LIMITS.gitAdvertisementBytes });
  const { promise, resolve, reject } = Promise.withResolvers<Advertisement>();
  const fail = (why: string): void => {
    reject(new BottleError('upstream_failed', { message: `${url} can't be reached: ${why}` }));
  };
  const take = (chunk: Buffer): void => {
    const reading = reader.push(chunk);
    if (reading.kind === 'complete') resolve(reading.advertisement);
    if (reading.kind === 'refused') fail(reading.why);
  };
  const end = (): void => {
    // What it says on stderr may come after its end.
    setImmediate(() => {
      fail(lastWords(link.words()));
    });
  };
  const timer = setTimeout(() => {
    fail(`no answer within ${LIMITS.upstreamAnswerMs / 1000} s`);
  }, LIMITS.upstreamAnswerMs);
  link.stdout.on('data', take);
  link.stdout.once('close', end);
  link.stdout.once('error', end);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    link.stdout.off('data', take).off('close', end).off('error', end);
    link.stdout.pause();
  }
}

/** The whole answer; a link that ends early is one of which nobody knows what became. */
async function answerOver(link: Link, body: Readable, url: string): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let bytes = 0;
  link.stdout.on('data', (block: Buffer) => {
    bytes += block.length;
    if (bytes <= LIMITS.gitAnswerBytes) blocks.push(block);
  });
  link.stdout.resume();
  const ended = once(link.stdout, 'close');
  await pipeline(body, link.stdin, { end: true }).catch((failure: unknown) => {
    // An upstream that refuses early says why in its answer.
    if (!(failure instanceof Error && 'code' in failure)) throw failure;
  });
  const timer = setTimeout(() => {
    link.stdout.destroy();
  }, LIMITS.upstreamPushMs);
  try {
    await ended;
  } finally {
    clearTimeout(timer);
  }
  if (blocks.length > 0) return Buffer.concat(blocks);
  throw new BottleError('upstream_failed', { message: `${url} gave no answer: ${lastWords(link.words())}` });
}
