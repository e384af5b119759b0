import type { Readable, Writable } from 'node:stream';
import type { Advertisement } from '../protocol/git/advertisement.ts';
import type { GitService } from '../schema/git.ts';

/**
 * Where a repository really is. Each kind of address is one implementation; what they share is that a failure carries
 * the upstream's own words, and that nothing waits for ever.
 */
export interface Upstream extends Partial<Disposable> {
  /** Its address as the manifest writes it. */
  readonly url: string;
  /** What it has now. */
  advertise(service: GitService): Promise<Advertisement>;
  /** Brings the objects of these refs into the bare repository; changes no ref there. */
  fetch(directory: string, refs: readonly string[]): Promise<void>;
  /** Opens a push: what it has, and then one request with one answer. */
  beginPush(): Promise<UpstreamPush>;
}

export interface UpstreamPush extends AsyncDisposable {
  readonly advertisement: Advertisement;
  /** Sends commands and pack, and gives back the answer's bytes. Cut off before its end, it fails. */
  send(body: Readable): Promise<Buffer>;
}

/** A process, or a socket, that speaks git's protocol on two streams. */
export interface Link extends AsyncDisposable {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** What went wrong, in the other side's words. */
  words(): string;
}
