import { judgeInjection, type InjectionVerdict } from './score.ts';

/** Looked at in one go; phrases that count together lie nearer than windows overlap. */
const WINDOW_CHARS = 32 * 1024;
const OVERLAP_CHARS = 3 * 1024;
/** So much of one answer is looked at: what a model reads of one is less. */
const MOST_CHARS = 4 * 1024 * 1024;

/**
 * Words of which every phrase has one, or characters that may hide such a word. Nearly all texts have neither, and are
 * looked at no further.
 */
const MAY_MATTER =
  /ignore|disregard|forget|overr|bypass|discard|abandon|instruction|prompt|supersede|you are|act as|pretend|behave|respond|roleplay| mode|from now|<\||\[inst|<<sys|system|reveal|disclos|exfiltrat|upload|webhook|curl|wget|https?:\/\/[^\s)]{1,200}(?:\$\{|\{\{)|\|\s?base64|without|do not|don't|never|assistant|language model|\bai\b|\bllm|[\u00ad\u0370-\u058f\u200b-\u200f\u202a-\u202e\u2060-\u206f\uff21-\uff5a]|\ud835|\udb40/i;

const NONE: InjectionVerdict = { level: 'none', score: 0, families: [] };

/** A text as it comes, judged as far as it came. Holds nothing back: what was judged may pass at once. */
export class InjectionScanner {
  readonly #decoder = new TextDecoder();
  #window = '';
  #seen = 0;
  #worst = NONE;

  /** The worst that was met so far. */
  push(bytes: Uint8Array): InjectionVerdict {
    if (this.#seen > MOST_CHARS) return this.#worst;
    const fresh = this.#decoder.decode(bytes, { stream: true });
    this.#seen += fresh.length;
    for (let at = 0; at < fresh.length; at += WINDOW_CHARS) this.#judge(fresh.slice(at, at + WINDOW_CHARS));
    return this.#worst;
  }

  #judge(fresh: string): void {
    const text = this.#window + fresh;
    this.#window = text.slice(-OVERLAP_CHARS);
    if (!MAY_MATTER.test(text)) return;
    const verdict = judgeInjection(text);
    if (verdict.score > this.#worst.score) this.#worst = verdict;
  }
}
