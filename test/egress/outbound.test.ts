import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import { ScannedBody } from '../../src/egress/outbound.ts';
import { arriving, drainBody, split } from './support/bodies.ts';

const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const screen = { known: buildKnownValues([{ name: 'KEY', value: SECRET }]), tokens: null };

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
        const { left, last } = await drainBody(new ScannedBody(arriving(split(bytes, where), knowsItsEnd), screen));
        expect(last).toBe('end');
        expect(left).toEqual(bytes);
      }),
    );
  });

  it('never lets more than 11 characters of a value leave before the verdict, however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(filler, form, filler, cuts, fc.boolean(), async (before, value, after, where, knowsItsEnd) => {
        const bytes = Buffer.from(before + value + after);
        const { left, last } = await drainBody(new ScannedBody(arriving(split(bytes, where), knowsItsEnd), screen));
        expect(last).toBe('found');
        expect(left).toEqual(bytes.subarray(0, left.length));
        expect(left.length - Buffer.byteLength(before)).toBeLessThanOrEqual(11);
      }),
    );
  });
});
