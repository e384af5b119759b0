import { InjectionScanner } from '../dlp/injection/scanner.ts';
import type { InjectionVerdict } from '../dlp/injection/score.ts';
import { ContentDecoders, type ContentCoding } from '../platform/content-decoder.ts';
import type { Header } from '../schema/header.ts';
import type { BodySource, BodyStep } from './body-reader.ts';
import { headerValues } from './headers.ts';
import type { Allowed, Halt } from './halt.ts';
import type { RecordedFinding, RequestAccount } from './record.ts';
import { gatewayRefusal } from './refusals.ts';

/** What becomes of an answer that tries to turn the model that reads it. */
export interface InboundParts {
  readonly onMatch: 'block' | 'warn';
  readonly onWarn: (verdict: InjectionVerdict) => void;
  /** The answer ends here. */
  readonly onStop: (verdict: InjectionVerdict) => void;
}

/** How answers on this route are looked at; null when they are not. */
export function inboundFor(
  { forward, route }: Allowed,
  account: RequestAccount,
  onStop: (halt: Halt) => void,
): InboundParts | null {
  const { promptInjection, onMatch } = forward.inbound;
  if (!promptInjection) return null;
  const findingsOf = ({ families }: InjectionVerdict): readonly RecordedFinding[] => [
    { rule: 'prompt_injection', name: families.join(', '), place: 'answer body' },
  ];
  return {
    onMatch,
    onWarn: (verdict) => {
      account.found(findingsOf(verdict));
    },
    onStop: (verdict) => {
      const detail = `the answer is written to turn the model that reads it: ${verdict.families.join(', ')}`;
      onStop({
        kind: 'refused',
        refusal: gatewayRefusal(403, 'prompt_injection', detail, route.id),
        findings: findingsOf(verdict),
      });
    },
  };
}

/** What a model is given to read. Programs and styles are read by machines of another kind, archives by none. */
const READ =
  /^(?:text\/(?!css|javascript|ecmascript)|application\/(?:[\w.+-]+\+)?(?:json|xml)\b|application\/(?:x-)?ndjson|application\/xhtml)/i;

export function isRead(headers: readonly Header[]): boolean {
  const [type] = headerValues(headers, 'content-type');
  return type !== undefined && READ.test(type.trim());
}

/**
 * An answer that is looked at as it passes: each block after it was judged with all before it, none later. Codings are
 * undone for the look alone, and one that does not decode is looked at no further.
 */
export class InspectedBody implements BodySource, Disposable {
  readonly #source: BodySource;
  readonly #parts: InboundParts;
  readonly #decoders: ContentDecoders | null;
  readonly #scanner = new InjectionScanner();
  #blind = false;
  #told: InjectionVerdict['level'] = 'none';
  stopped = false;

  constructor(source: BodySource, codings: readonly ContentCoding[], parts: InboundParts) {
    this.#source = source;
    this.#parts = parts;
    this.#decoders =
      codings.length === 0 ? null : new ContentDecoders(codings, { decodedBytes: Number.POSITIVE_INFINITY });
  }

  get done(): boolean {
    return this.#source.done;
  }

  get trailers(): readonly Header[] {
    return this.#source.trailers;
  }

  async next(): Promise<BodyStep> {
    const step = await this.#source.next();
    if (step.kind !== 'data') return step;
    for (const block of await this.#decoded(step.data)) {
      if (this.#judge(this.#scanner.push(block))) {
        this.stopped = true;
        return { kind: 'broken', why: 'prompt injection' };
      }
    }
    return step;
  }

  [Symbol.dispose](): void {
    this.#decoders?.[Symbol.dispose]();
  }

  async #decoded(blocks: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    if (this.#blind || this.#decoders === null) return this.#blind ? [] : blocks;
    const decoded = await this.#decoders.push(blocks);
    this.#blind = !decoded.ok;
    return decoded.ok ? decoded.value : [];
  }

  /** True when the answer ends here. */
  #judge(verdict: InjectionVerdict): boolean {
    if (verdict.level === 'none' || verdict.level === this.#told) return false;
    this.#told = verdict.level;
    if (verdict.level === 'high' && this.#parts.onMatch === 'block') {
      this.#parts.onStop(verdict);
      return true;
    }
    this.#parts.onWarn(verdict);
    return false;
  }
}
