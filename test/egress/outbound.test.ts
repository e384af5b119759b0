import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import type { BodySource, BodyStep } from '../../src/egress/body-reader.ts';
import { HeldBody, ScannedBody, type OutboundBody } from '../../src/egress/outbound.ts';
import { LIMITS } from '../../src/kernel/limits.ts';

const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const known = buildKnownValues([{ name: 'KEY', value: SECRET }]);

/** A body that arrives in these blocks; like a real one, it knows its end with the last of them or one step later. */
function arriving(blocks: readonly Uint8Array[], knowsItsEnd: boolean): BodySource {
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

async function drainBody(body: OutboundBody): Promise<{ readonly left: Buffer; readonly last: string }> {
  const left: Uint8Array[] = [];
  for (;;) {
    const step = await body.next();
    if (step.kind !== 'data') return { left: Buffer.concat(left), last: step.kind };
    left.push(...step.data);
    if (body.finished) return { left: Buffer.concat(left), last: 'end' };
  }
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...at, bytes.length]
    .map((end, index) => bytes.subarray(at[index - 1] ?? 0, end))
    .filter((block) => block.length > 0);
}

describe('S17 a body on its way out', () => {
  const filler = fc.stringMatching(/^[a-zA-Z0-9_%= ]{0,60}$/);
  const cuts = fc.array(fc.nat(400), { maxLength: 12 });
  const form = fc.constantFrom(
    SECRET,
    Buffer.from(SECRET).toString('hex'),
    encodeURIComponent(SECRET).replaceAll('_', '%5f'),
  );

  it('leaves whole and unchanged when it is clean, however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(filler, filler, cuts, fc.boolean(), async (before, after, where, knowsItsEnd) => {
        const bytes = Buffer.from(`${before}${SECRET.slice(0, 12)}${after}`);
        const { left, last } = await drainBody(new ScannedBody(arriving(split(bytes, where), knowsItsEnd), known));
        expect(last).toBe('end');
        expect(left).toEqual(bytes);
      }),
    );
  });

  it('never lets more than 11 characters of a value leave before the verdict, however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(filler, form, filler, cuts, fc.boolean(), async (before, value, after, where, knowsItsEnd) => {
        const bytes = Buffer.from(before + value + after);
        const { left, last } = await drainBody(new ScannedBody(arriving(split(bytes, where), knowsItsEnd), known));
        expect(last).toBe('found');
        expect(left).toEqual(bytes.subarray(0, left.length));
        expect(left.length - Buffer.byteLength(before)).toBeLessThanOrEqual(11);
      }),
    );
  });
});

describe('S17 a content-coded body', () => {
  it('lets nothing leave before all of it has been decoded and scanned, however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(fc.nat(200), { maxLength: 6 }), async (leaks, where) => {
        const raw = gzipSync(`filler ${leaks ? SECRET : 'nothing'} filler`);
        const budget = { heldBytes: 0 };
        const { left, last } = await drainBody(
          new HeldBody(arriving(split(raw, where), false), known, ['gzip'], budget),
        );
        expect(last).toBe(leaks ? 'found' : 'end');
        expect(left).toEqual(leaks ? Buffer.alloc(0) : raw);
        expect(budget.heldBytes).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('is refused when all held bodies together are too much, and gives its share back', async () => {
    const budget = { heldBytes: LIMITS.heldTotalBytes };
    const step = await new HeldBody(arriving([gzipSync('x')], false), known, ['gzip'], budget).next();
    expect(step).toMatchObject({ kind: 'refused', status: 503, reason: 'limit_reached' });
    expect(budget.heldBytes).toBe(LIMITS.heldTotalBytes);
  });
});
