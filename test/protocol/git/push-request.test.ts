import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLUSH, textPkt } from '../../../src/protocol/git/pkt-line.ts';
import { PushRequestReader, type PushReading } from '../../../src/protocol/git/push-request.ts';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const ZERO = '0'.repeat(40);
const CAPABILITIES = 'report-status side-band-64k atomic object-format=sha1 agent=git/2.39.5';
const BOUNDS = { bytes: 4096, commands: 3 };

function read(bytes: Buffer, size = bytes.length, format: 'sha1' | 'sha256' = 'sha1'): PushReading {
  const reader = new PushRequestReader(format, BOUNDS);
  let reading: PushReading = { kind: 'more' };
  for (let at = 0; at < bytes.length && reading.kind === 'more'; at += size) {
    reading = reader.push(bytes.subarray(at, at + size));
  }
  return reading;
}

function list(...lines: readonly string[]): Buffer {
  return Buffer.concat([...lines.map(textPkt), FLUSH]);
}

it('finds the commands, and where the pack begins, whatever the split', () => {
  const wire = Buffer.concat([
    list(`shallow ${B}`, `${A} ${B} refs/heads/main\0 ${CAPABILITIES}`, `${ZERO} ${B} refs/heads/ünï/x\n`),
    Buffer.from('PACK0000'),
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: wire.length }), (size) => {
      const reading = read(wire, size);
      expect(reading).toMatchObject({ kind: 'complete', size: wire.length - 8 });
      if (reading.kind !== 'complete') return;
      expect(reading.request.commands).toEqual([
        { ref: 'refs/heads/main', old: A, new: B },
        { ref: 'refs/heads/ünï/x', old: ZERO, new: B },
      ]);
      expect(reading.request.shallow).toEqual([B]);
      expect([...reading.request.capabilities]).toEqual(CAPABILITIES.split(' '));
    }),
  );
});

it("takes git's first, empty request, by which it tries the way", () => {
  expect(read(FLUSH as Buffer)).toMatchObject({ kind: 'complete', size: 4, request: { commands: [] } });
});

describe('S28 refuses by name what was never offered, and every name that is none', () => {
  const line = (ref: string, capabilities = CAPABILITIES): string => `${A} ${B} ${ref}\0${capabilities}`;
  const rows: readonly (readonly [why: string, bytes: Buffer, says: string])[] = [
    ['a signed push', list('push-cert\0' + CAPABILITIES), 'signed pushes'],
    ['push options', list(line('refs/heads/a', 'report-status push-options')), 'push-options'],
    ['a signed push by capability', list(line('refs/heads/a', 'push-cert=nonce')), 'push-cert'],
    ['another object format', list(line('refs/heads/a', 'object-format=sha256')), 'sha1'],
    ['a ref twice', list(line('refs/heads/a'), `${A} ${B} refs/heads/a`), 'named twice'],
    ['nothing to nothing', list(`${ZERO} ${ZERO} refs/heads/a\0`), 'made and removed'],
    ['capabilities twice', list(line('refs/heads/a'), line('refs/heads/b')), 'other than the first'],
    ['dots that lead up', list(line('refs/heads/../../config')), '".."'],
    ['an option', list(line('refs/heads/--upload-pack=x')), 'looks like an option'],
    ['an option further down', list(line('refs/heads/a/-b')), 'looks like an option'],
    ['not below refs', list(line('HEAD')), 'not below'],
    ['refs alone', list(line('refs/heads')), 'not below'],
    ['an empty part', list(line('refs/heads//a')), 'empty part'],
    ['a hidden part', list(line('refs/heads/.a')), 'begins with a dot'],
    ['a lock', list(line('refs/heads/a.lock')), '.lock'],
    ['a lock in between', list(line('refs/heads/a.lock/b')), '.lock'],
    ['a colon', list(line('refs/heads/a:b')), 'no ref may have'],
    ['a glob', list(line('refs/heads/*')), 'no ref may have'],
    ['a reflog', list(line('refs/heads/a@{1}')), '@{'],
    ['a line end', list(line('refs/heads/a\nb')), 'not shown'],
    ['an escape', list(line('refs/heads/a\u001b[2J')), 'not shown'],
    ['what turns the line round', list(line('refs/heads/\u202ea')), 'not shown'],
    ['short object names', list('aa bb refs/heads/a\0'), 'object names'],
    ['big digits', list(`${A.toUpperCase()} ${B} refs/heads/a\0`), 'none of a push'],
    ['another line', list('hello\0'), 'none of a push'],
    ['a pack instead', Buffer.from('PACK\0\0\0\x02'), 'its length'],
    ['a delimiter', Buffer.from('0001'), 'belongs elsewhere'],
    [
      'too many refs',
      list(line('refs/heads/a'), ...['b', 'c', 'd'].map((ref) => `${A} ${B} refs/heads/${ref}`)),
      'more than 3',
    ],
    ['too long a list', Buffer.concat(Array.from({ length: 120 }, () => textPkt(`shallow ${A}`))), 'too'],
    ['a name that is not UTF-8', Buffer.from(`006a${A} ${B} refs/heads/\xff\0`, 'latin1'), ''],
  ];
  it.each(rows)('%s', (_why, bytes, says) => {
    const reading = read(bytes, 7);
    expect(reading.kind === 'refused' || reading.kind === 'more').toBe(true);
    if (says !== '') expect(reading).toMatchObject({ kind: 'refused', why: expect.stringContaining(says) as string });
  });
});
