import type { BodySource, BodyStep } from '../../../src/egress/body-reader.ts';
import type { OutboundBody } from '../../../src/egress/outbound.ts';

/** A body that arrives in these blocks; like a real one, it knows its end with the last of them or one step later. */
export function arriving(blocks: readonly Uint8Array[], knowsItsEnd: boolean): BodySource {
  const waiting = [...blocks];
  let ended = false;
  return {
    get done() {
      return ended;
    },
    trailers: [],
    next(): Promise<BodyStep> {
      const block = waiting.shift();
      ended = block === undefined || (knowsItsEnd && waiting.length === 0);
      return Promise.resolve(block === undefined ? { kind: 'end' } : { kind: 'data', data: [block] });
    },
  };
}

export async function drainBody(body: OutboundBody): Promise<{ readonly left: Buffer; readonly last: string }> {
  const left: Uint8Array[] = [];
  for (;;) {
    const step = await body.next();
    if (step.kind !== 'data') return { left: Buffer.concat(left), last: step.kind };
    left.push(...step.data);
    if (body.finished) return { left: Buffer.concat(left), last: 'end' };
  }
}

export function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...at, bytes.length]
    .map((end, index) => bytes.subarray(at[index - 1] ?? 0, end))
    .filter((block) => block.length > 0);
}
