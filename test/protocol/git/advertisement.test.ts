import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AdvertisementReader, type AdvertisementReading } from '../../../src/protocol/git/advertisement.ts';
import { FLUSH, textPkt } from '../../../src/protocol/git/pkt-line.ts';
import { advertisementHeader, encodeAnswer, encodeReport, parseReport } from '../../../src/protocol/git/report.ts';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);

function read(wire: Uint8Array, http: boolean, size = wire.length): AdvertisementReading {
  const reader = new AdvertisementReader({ http, limitBytes: 10_000 });
  let reading: AdvertisementReading = { kind: 'more' };
  for (let at = 0; at < wire.length && reading.kind === 'more'; at += size) {
    reading = reader.push(wire.subarray(at, at + size));
  }
  return reading;
}

it('reads refs, the default branch and the object format, over HTTP too, whatever the split', () => {
  const lines = Buffer.concat([
    textPkt(`${A} HEAD\0multi_ack symref=HEAD:refs/heads/trunk object-format=sha1 atomic\n`),
    textPkt(`${A} refs/heads/trunk\n`),
    textPkt(`${B} refs/tags/v1\n`),
    textPkt(`${A} refs/tags/v1^{}\n`),
    textPkt(`${A} refs/heads/-x\n`),
    FLUSH,
  ]);
  fc.assert(
    fc.property(fc.boolean(), fc.integer({ min: 1, max: 300 }), (http, size) => {
      const wire = http ? Buffer.concat([advertisementHeader('git-upload-pack'), lines]) : lines;
      const reading = read(wire, http, size);
      expect(reading.kind).toBe('complete');
      if (reading.kind !== 'complete') return;
      const { refs, head, headOid, format, capabilities } = reading.advertisement;
      expect([...refs]).toEqual([
        ['refs/heads/trunk', A],
        ['refs/tags/v1', B],
      ]);
      expect({ head, headOid, format }).toEqual({ head: 'refs/heads/trunk', headOid: A, format: 'sha1' });
      expect(capabilities.has('atomic')).toBe(true);
    }),
  );
});

it('knows an empty repository and its object format', () => {
  const zero = '0'.repeat(64);
  const wire = Buffer.concat([textPkt(`${zero} capabilities^{}\0object-format=sha256 atomic`), FLUSH]);
  expect(read(wire, false)).toMatchObject({ kind: 'complete', advertisement: { format: 'sha256', head: null } });
});

const refusals: readonly (readonly [string, Uint8Array, string])[] = [
  ["the server's own refusal", textPkt('ERR Repository not found.\n'), 'Repository not found.'],
  [
    'names of two kinds',
    Buffer.concat([textPkt(`${A} refs/heads/a\0`), textPkt(`${A}${B.slice(0, 24)} refs/heads/b`), FLUSH]),
    'two kinds',
  ],
  ['no ref', Buffer.concat([textPkt('hello\0x'), FLUSH]), 'names no ref'],
  ['no packets', Buffer.from('<html>'), 'its length'],
  ['too many refs', Buffer.concat(Array.from({ length: 300 }, () => textPkt(`${A} refs/heads/a`))), 'more refs'],
];
it.each(refusals)('refuses %s', (_why, wire, says) => {
  expect(read(wire, false, 1000)).toMatchObject({ kind: 'refused', why: expect.stringContaining(says) as string });
});

it('writes a report that it reads again', () => {
  const report = {
    unpack: 'ok',
    refs: new Map([
      ['refs/heads/a', null],
      ['refs/heads/b', '2 findings'],
    ]),
  };
  expect(parseReport(encodeReport(report))).toEqual(report);
  expect(parseReport(Buffer.from('0008xyz\n'))).toBeNull();
});

it('answers as the pusher asked: with words, without them, or not at all', () => {
  const report = { unpack: 'ok', refs: new Map([['refs/heads/a', 'no']]) };
  const both = Buffer.from(encodeAnswer(report, ['why'], new Set(['report-status', 'side-band-64k']))).toString();
  expect(both).toContain('\u0002why\n');
  expect(both).toContain('ng refs/heads/a no');
  expect(Buffer.from(encodeAnswer(report, ['why'], new Set(['report-status']))).toString()).not.toContain('why');
  expect(encodeAnswer(report, ['why'], new Set())).toHaveLength(0);
});
