import { refProblem } from '../../policy/gitgate/ref-name.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { isZero, type ObjectFormat, type Oid } from '../../schema/git.ts';
import { PktStream, type Pkt } from './pkt-line.ts';

/** What an upstream says it has (gitprotocol-pack, "Reference Discovery"; version 0, which every server speaks). */
export interface Advertisement {
  readonly refs: ReadonlyMap<string, Oid>;
  /** The branch that `HEAD` stands for, where the server tells it. */
  readonly head: string | null;
  /** The commit of a `HEAD` that stands for no branch, or whose branch is not told. */
  readonly headOid: Oid | null;
  readonly format: ObjectFormat;
  readonly capabilities: ReadonlySet<string>;
}

export type AdvertisementReading =
  | { readonly kind: 'more' }
  | { readonly kind: 'complete'; readonly advertisement: Advertisement }
  | { readonly kind: 'refused'; readonly why: string };

/** Reads one advertisement from chunks that are cut anywhere. What an upstream sends is as little trusted as a push. */
export class AdvertisementReader {
  readonly #stream = new PktStream();
  readonly #limitBytes: number;
  readonly #lines: Uint8Array[] = [];
  /** Over HTTP a header of its own comes first, ended by a flush (gitprotocol-http). */
  #inHeader: boolean;
  #bytes = 0;

  constructor({ http, limitBytes }: { readonly http: boolean; readonly limitBytes: number }) {
    this.#inHeader = http;
    this.#limitBytes = limitBytes;
  }

  push(chunk: Uint8Array): AdvertisementReading {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#limitBytes) return { kind: 'refused', why: 'it lists more refs than are taken' };
    const pkts = this.#stream.push(chunk);
    for (const pkt of pkts) {
      const reading = this.#take(pkt);
      if (reading !== null) return reading;
    }
    return this.#stream.problem === null ? { kind: 'more' } : { kind: 'refused', why: this.#stream.problem };
  }

  #take(pkt: Pkt): AdvertisementReading | null {
    if (pkt.kind === 'data') {
      const failure = failureIn(pkt.bytes);
      if (failure !== null) return { kind: 'refused', why: failure };
      if (!this.#inHeader) this.#lines.push(pkt.bytes.slice());
      return null;
    }
    if (pkt.kind !== 'flush') return { kind: 'refused', why: 'it speaks a protocol that was not asked for' };
    if (this.#inHeader) {
      this.#inHeader = false;
      return null;
    }
    const parsed = parseAdvertisement(this.#lines);
    return parsed.ok ? { kind: 'complete', advertisement: parsed.value } : { kind: 'refused', why: parsed.error };
  }
}

/** `ERR` and the server's own words. */
function failureIn(bytes: Uint8Array): string | null {
  const text = new TextDecoder().decode(bytes.subarray(0, 1024));
  return text.startsWith('ERR ') ? text.slice(4).trim() : null;
}

function parseAdvertisement(lines: readonly Uint8Array[]): Result<Advertisement, string> {
  const refs = new Map<string, Oid>();
  let capabilities: readonly string[] = [];
  let headOid: Oid | null = null;
  for (const [index, line] of lines.entries()) {
    const text = new TextDecoder().decode(line).replace(/\n$/, '');
    const [name = '', offered] = text.split('\0');
    if (index === 0) capabilities = (offered ?? '').split(' ').filter(Boolean);
    if (/^shallow /.test(name) || name.startsWith('version ')) continue;
    const [, oid, ref] = /^((?:[0-9a-f]{40}){1}(?:[0-9a-f]{24})?) (.+)$/s.exec(name) ?? [];
    if (oid === undefined || ref === undefined) return err('it sends a line that names no ref');
    if (ref === 'HEAD') headOid = oid;
    // What a tag stands for is found in the tag; names that we refuse in a push are not shown to the bottle either.
    if (isZero(oid) || ref.endsWith('^{}') || refProblem(ref) !== null) continue;
    refs.set(ref, oid);
  }
  const format = capabilities.includes('object-format=sha256') ? 'sha256' : 'sha1';
  const length = format === 'sha1' ? 40 : 64;
  if ([...refs.values()].some((oid) => oid.length !== length)) return err('its objects have names of two kinds');
  return ok({ refs, head: headOf(capabilities, refs), headOid, format, capabilities: new Set(capabilities) });
}

function headOf(capabilities: readonly string[], refs: ReadonlyMap<string, Oid>): string | null {
  const told = capabilities.find((capability) => capability.startsWith('symref=HEAD:'))?.slice('symref=HEAD:'.length);
  if (told === undefined || !told.startsWith('refs/heads/')) return null;
  return refs.has(told) || refProblem(told) === null ? told : null;
}
