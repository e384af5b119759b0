import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BAND,
  encodeBand,
  encodePkts,
  FLUSH,
  PktStream,
  readPkt,
  textPkt,
} from '../../../src/protocol/git/pkt-line.ts';
import { BandReader } from '../../../src/protocol/git/report.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('one packet', () => {
  const rows: readonly (readonly [why: string, text: string, kind: string, next: number | null])[] = [
    ['nothing yet', '', 'more', null],
    ['half a length', '00', 'more', null],
    ['a length, no content', '0006', 'more', null],
    ['half the content', '0006a', 'more', null],
    ['a whole one', '0006ab', 'data', 6],
    ['small and big digits alike', '000Aabcdef', 'data', 10],
    ['an empty one', '0004', 'data', 4],
    ['a flush', '0000', 'flush', 4],
    ['a delimiter', '0001', 'delimiter', 4],
    ['the end of a response', '0002', 'response-end', 4],
    ['no such length', '0003', 'invalid', null],
    ['the longest', `fff0${'x'.repeat(65_516)}`, 'data', 65_520],
    ['one longer', 'fff1', 'invalid', null],
    ['no digit at once', 'P', 'invalid', null],
    ['no digit later', '00g', 'invalid', null],
    ['a pack is none', 'PACK', 'invalid', null],
    ['a sign is no digit', '+006', 'invalid', null],
    ['a space is no digit', ' 006ab', 'invalid', null],
  ];
  it.each(rows)('%s', (_why, text, kind, next) => {
    const reading = readPkt(bytes(text), 0);
    expect(reading.kind === 'pkt' ? reading.pkt.kind : reading.kind).toBe(kind);
    if (next !== null) expect(reading).toMatchObject({ next });
  });
});

it('gives the same packets whatever the split, and says what it still wants', () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.uint8Array({ minLength: 1, maxLength: 60 })), { maxLength: 8 }),
      fc.integer({ min: 1, max: 70 }),
      (contents, size) => {
        const wire = Buffer.concat(contents.flatMap((content) => (content === null ? [FLUSH] : encodePkts(content))));
        const stream = new PktStream();
        const seen: (Uint8Array | null)[] = [];
        for (let at = 0; at < wire.length;) {
          const step = Math.min(size, stream.wanted);
          const pkts = stream.push(wire.subarray(at, at + step));
          expect(pkts.length, 'never more than the one that was wanted').toBeLessThanOrEqual(1);
          seen.push(...pkts.map((pkt) => (pkt.kind === 'data' ? Uint8Array.from(pkt.bytes) : null)));
          at += step;
        }
        expect(stream.idle).toBe(true);
        expect(seen).toEqual(contents);
      },
    ),
  );
});

it('cuts long content into packets that git takes, and the bands put it together again', () => {
  const long = Buffer.alloc(200_000, 'a');
  expect(encodePkts(long).every(({ length }) => length <= 65_520)).toBe(true);
  const reader = new BandReader();
  const parts = reader.push(Buffer.concat([...encodeBand(BAND.data, long), FLUSH, ...encodeBand(BAND.data, long)]));
  expect(Buffer.concat(parts.map((part) => part.bytes))).toEqual(long);
  expect(parts.every(({ band }) => band === BAND.data)).toBe(true);
  expect(reader.ended).toBe(true);
});

it('counts bytes and not characters', () => {
  expect(Buffer.from(textPkt('ü\n')).toString()).toBe('0007ü\n');
});
