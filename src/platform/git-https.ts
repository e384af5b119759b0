import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BottleError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Secret } from '../kernel/secret.ts';
import { reveal } from './reveal.ts';

/**
 * The git gate's requests to an upstream that the operator declared: by TLS that is verified, to that host alone, with
 * its token, and no redirect is followed. (What the bottle asks for itself goes by the dialer, with a Permit.)
 */
export interface GitHost {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly token: Secret | null;
  /** Roots that it is verified by, PEM. */
  readonly ca: () => readonly string[];
}

export interface GitHostRequest {
  readonly path: string;
  /** A post with this body, of this type; else it is a question. */
  readonly post?: { readonly type: string; readonly accept: string; readonly body: Readable };
}

/** Resolves with the answer's head; whoever asked reads its body. */
export async function askGitHost(to: GitHost, { path, post }: GitHostRequest): Promise<IncomingMessage> {
  const authorization =
    to.token === null
      ? {}
      : { authorization: `Basic ${Buffer.from(`${to.user}:${reveal(to.token, 'inject')}`).toString('base64')}` };
  const options: RequestOptions = {
    host: to.host,
    port: to.port,
    path,
    method: post === undefined ? 'GET' : 'POST',
    ca: [...to.ca()],
    agent: false,
    timeout: post === undefined ? LIMITS.upstreamAnswerMs : LIMITS.upstreamPushMs,
    headers: {
      'user-agent': 'git/bot-bottle',
      accept: post === undefined ? '*/*' : post.accept,
      ...(post === undefined ? {} : { 'content-type': post.type }),
      ...authorization,
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = request(options, resolve);
  asked.on('timeout', () => {
    asked.destroy(new BottleError('upstream_failed', { message: 'no answer in time' }));
  });
  asked.on('error', reject);
  if (post === undefined) asked.end();
  else pipeline(post.body, asked).catch(reject);
  return promise;
}
