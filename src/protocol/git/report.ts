import { BAND, encodeBand, FLUSH, PktStream, textPkt } from './pkt-line.ts';

/** What came of a push (gitprotocol-pack, "Report Status"): of the pack, and of each ref. */
export interface PushReport {
  /** `ok`, or why the pack was not taken. */
  readonly unpack: string;
  /** By ref: null is done, a text is why not. */
  readonly refs: ReadonlyMap<string, string | null>;
}

export function parseReport(bytes: Uint8Array): PushReport | null {
  const refs = new Map<string, string | null>();
  let unpack: string | null = null;
  const stream = new PktStream();
  for (const pkt of stream.push(bytes)) {
    if (pkt.kind !== 'data') break;
    const text = new TextDecoder().decode(pkt.bytes).replace(/\n$/, '');
    const [, word, rest = ''] = /^(\S+) (.*)$/s.exec(text) ?? [];
    if (word === 'unpack') unpack = rest;
    else if (word === 'ok') refs.set(rest, null);
    else if (word === 'ng') {
      const [ref = '', ...why] = rest.split(' ');
      refs.set(ref, why.join(' ') || 'refused');
    }
    // `option` lines tell of refs that were changed differently; nothing that we ask for does.
  }
  return unpack === null || stream.problem !== null ? null : { unpack, refs };
}

export function encodeReport({ unpack, refs }: PushReport): Uint8Array {
  const lines = [...refs].map(([ref, why]) => textPkt(why === null ? `ok ${ref}\n` : `ng ${ref} ${why}\n`));
  return concat([textPkt(`unpack ${unpack}\n`), ...lines, FLUSH]);
}

/** A whole answer to a push that was refused or done without git's own receive-pack having a word in it. */
export function encodeAnswer(
  report: PushReport,
  words: readonly string[],
  capabilities: ReadonlySet<string>,
): Uint8Array {
  const wanted = capabilities.has('report-status') || capabilities.has('report-status-v2');
  const encoded = wanted ? encodeReport(report) : new Uint8Array(0);
  if (!capabilities.has('side-band-64k')) return encoded;
  const told = words.flatMap((word) => encodeBand(BAND.progress, new TextEncoder().encode(`${word}\n`)));
  return concat([...told, ...encodeBand(BAND.data, encoded), FLUSH]);
}

export type BandPart = { readonly band: number; readonly bytes: Uint8Array };

/** The bands of an answer, out of chunks that are cut anywhere. */
export class BandReader {
  readonly #stream = new PktStream();
  #ended = false;

  /** The closing flush has come. */
  get ended(): boolean {
    return this.#ended;
  }

  get problem(): string | null {
    return this.#stream.problem;
  }

  push(chunk: Uint8Array): readonly BandPart[] {
    const parts: BandPart[] = [];
    for (const pkt of this.#stream.push(chunk)) {
      if (pkt.kind === 'flush') this.#ended = true;
      if (pkt.kind === 'data' && !this.#ended) parts.push({ band: pkt.bytes[0] ?? 0, bytes: pkt.bytes.slice(1) });
    }
    return parts;
  }
}

/** The commands of a push as we send them on: the first with what we ask of the upstream. */
export function encodeCommands(
  commands: readonly { readonly ref: string; readonly old: string; readonly new: string }[],
  capabilities: readonly string[],
): Uint8Array {
  const lines = commands.map(({ ref, old, new: wanted }, index) =>
    textPkt(`${old} ${wanted} ${ref}${index === 0 ? `\0${capabilities.join(' ')}` : ''}`),
  );
  return concat([...lines, FLUSH]);
}

/** The header that comes before an advertisement over HTTP. */
export function advertisementHeader(service: string): Uint8Array {
  return concat([textPkt(`# service=${service}\n`), FLUSH]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
