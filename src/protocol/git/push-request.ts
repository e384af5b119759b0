import { refProblem } from '../../policy/gitgate/ref-name.ts';
import { isZero, type ObjectFormat, type RefCommand } from '../../schema/git.ts';
import { PktStream } from './pkt-line.ts';

/**
 * The beginning of a push (gitprotocol-pack, "Reference Update Request"): the refs that are to change, and what the
 * pusher's git can do. The pack follows and is not looked at here. Whoever pushes what we did not offer is refused by
 * name: certificates, options.
 */
export interface PushRequest {
  readonly commands: readonly RefCommand[];
  readonly capabilities: ReadonlySet<string>;
  /** Commits below which the pusher's own repository is cut off. */
  readonly shallow: readonly string[];
}

export type PushReading =
  | { readonly kind: 'more' }
  /** `size` bytes of all that was pushed so far belong to the list; what follows is the pack. */
  | { readonly kind: 'complete'; readonly request: PushRequest; readonly size: number }
  | { readonly kind: 'refused'; readonly why: string };

export interface PushBounds {
  readonly bytes: number;
  readonly commands: number;
}

/** Reads chunks that are cut anywhere until the list is whole. */
export class PushRequestReader {
  readonly #format: ObjectFormat;
  readonly #bounds: PushBounds;
  readonly #stream = new PktStream();
  readonly #commands = new Map<string, RefCommand>();
  readonly #shallow: string[] = [];
  #capabilities: ReadonlySet<string> | null = null;
  #bytes = 0;
  #settled: PushReading | null = null;

  constructor(format: ObjectFormat, bounds: PushBounds) {
    this.#format = format;
    this.#bounds = bounds;
  }

  /** What comes after the list may be in `chunk`: git's own packets end with it, and the pack's bytes look like none. */
  push(chunk: Uint8Array): PushReading {
    if (this.#settled !== null) return this.#settled;
    // Byte by packet, so that the first byte of the pack is never taken for a length.
    const reading = this.#read(chunk);
    if (reading.kind !== 'more') this.#settled = reading;
    return reading;
  }

  #read(chunk: Uint8Array): PushReading {
    for (let at = 0; at < chunk.length;) {
      const step = Math.min(chunk.length, at + this.#stream.wanted);
      const pkts = this.#stream.push(chunk.subarray(at, step));
      this.#bytes += step - at;
      at = step;
      if (this.#stream.problem !== null) return refused(this.#stream.problem);
      if (this.#bytes > this.#bounds.bytes) return refused('the list of refs is too long');
      for (const pkt of pkts) {
        if (pkt.kind === 'flush') return this.#complete();
        if (pkt.kind !== 'data') return refused('the list of refs has a packet that belongs elsewhere');
        const problem = this.#line(pkt.bytes);
        if (problem !== null) return refused(problem);
      }
    }
    return { kind: 'more' };
  }

  #complete(): PushReading {
    const capabilities = this.#capabilities ?? new Set<string>();
    return {
      kind: 'complete',
      request: { commands: [...this.#commands.values()], capabilities, shallow: this.#shallow },
      size: this.#bytes,
    };
  }

  #line(bytes: Uint8Array): string | null {
    const nul = bytes.indexOf(0);
    const text = utf8(trimLine(nul === -1 ? bytes : bytes.subarray(0, nul)));
    if (text === null) return 'a ref has a name that is not UTF-8';
    if (nul !== -1) {
      if (this.#capabilities !== null) return 'a ref other than the first names capabilities';
      const offered = readCapabilities(bytes.subarray(nul + 1), this.#format);
      if (typeof offered === 'string') return offered;
      this.#capabilities = offered;
    }
    if (text === 'push-cert' || text.startsWith('push-cert ')) return 'signed pushes are not taken';
    const shallow = /^shallow ([0-9a-f]+)$/.exec(text)?.[1];
    if (shallow === undefined) return this.#command(text);
    if (!this.#isOid(shallow)) return 'a shallow line names no object';
    if (this.#shallow.length >= this.#bounds.commands) return 'too many shallow lines';
    this.#shallow.push(shallow);
    return null;
  }

  #command(text: string): string | null {
    const [, old, wanted, ref] = /^([0-9a-f]+) ([0-9a-f]+) (.+)$/s.exec(text) ?? [];
    if (old === undefined || wanted === undefined || ref === undefined) return 'a line of the list is none of a push';
    if (!this.#isOid(old) || !this.#isOid(wanted)) return `${shown(ref)}: not the object names of this repository`;
    const problem = refProblem(ref);
    if (problem !== null) return `${shown(ref)} ${problem}`;
    if (isZero(old) && isZero(wanted)) return `${ref} is to be made and removed at once`;
    if (this.#commands.has(ref)) return `${ref} is named twice`;
    if (this.#commands.size >= this.#bounds.commands)
      return `more than ${this.#bounds.commands} refs in one push; push them in parts`;
    this.#commands.set(ref, { ref, old, new: wanted });
    return null;
  }

  #isOid(text: string): boolean {
    return text.length === (this.#format === 'sha1' ? 40 : 64);
  }
}

/** What receive-pack offers through us; all else was never offered, or changes what is received. */
const KNOWN =
  /^(?:report-status(?:-v2)?|delete-refs|side-band-64k|quiet|atomic|ofs-delta|agent=\S*|session-id=\S*|object-format=(\S*))$/;

function readCapabilities(bytes: Uint8Array, format: ObjectFormat): ReadonlySet<string> | string {
  const text = utf8(trimLine(bytes));
  if (text === null) return 'the capabilities are not UTF-8';
  const capabilities = new Set(text.split(' ').filter(Boolean));
  for (const capability of capabilities) {
    const known = KNOWN.exec(capability);
    if (known === null) return `${shown(capability)} is not taken`;
    if (known[1] !== undefined && known[1] !== format) return `the repository's objects are ${format}`;
  }
  return capabilities;
}

function trimLine(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

function utf8(bytes: Uint8Array): string | null {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  return text.includes('\u{fffd}') ? null : text;
}

function shown(text: string): string {
  return text.slice(0, 80).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
}

function refused(why: string): PushReading {
  return { kind: 'refused', why };
}
