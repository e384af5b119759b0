import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { buildKnownValues } from '../../src/dlp/known-values.ts';
import { HeldBody, SwappedBody } from '../../src/egress/held-body.ts';
import { HoldStore } from '../../src/egress/hold.ts';
import { KiB, LIMITS, MiB } from '../../src/kernel/limits.ts';
import { Placement } from '../../src/policy/placeholders.ts';
import { arriving, drainBody, split } from './support/bodies.ts';

const SECRET = 'sk_live_Zq83hd7Wm2pXv91LtR5k';
const STAND_IN = 'k3j5h2g8f9d0s1a4p7o6i5u3y2t1r0e9w8q7m6n5';
const screen = { known: buildKnownValues([{ name: 'KEY', value: SECRET }]), tokens: null };
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hold-'));
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

/** Descriptors of this process that lead to files in our directory. */
function openFiles(): readonly number[] {
  return fs
    .readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => linkOf(fd).startsWith(directory));
}

function linkOf(fd: number): string {
  try {
    return fs.readlinkSync(`/proc/self/fd/${String(fd)}`);
  } catch (failure) {
    // The descriptor by which the list itself was read.
    if (failure instanceof Error) return '';
    throw failure;
  }
}

describe('S17 a content-coded body', () => {
  it('lets nothing leave before all of it has been decoded and scanned, however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(fc.nat(200), { maxLength: 6 }), async (leaks, where) => {
        const raw = gzipSync(`filler ${leaks ? SECRET : 'nothing'} filler`);
        const store = new HoldStore(directory);
        const body = new HeldBody(arriving(split(raw, where), false), screen, ['gzip'], store);
        const { left, last } = await drainBody(body);
        await body.release();
        expect(last).toBe(leaks ? 'found' : 'end');
        expect(left).toEqual(leaks ? Buffer.alloc(0) : raw);
        expect([store.heldBytes, store.spilledBytes]).toEqual([0, 0]);
      }),
      { numRuns: 50 },
    );
  });

  it('waits on disk beyond the bound of memory, in a 0600 file without a name, and leaves as it came', async () => {
    const raw = gzipSync(randomBytes(LIMITS.heldBodyMemoryBytes * 3));
    const store = new HoldStore(directory);
    const body = new HeldBody(arriving(blocksOf(raw), true), screen, ['gzip'], store);
    const first = await body.next();
    expect(first.kind).toBe('data');
    expect([store.heldBytes, store.spilledBytes]).toEqual([0, raw.length]);
    expect(fs.readdirSync(directory)).toEqual([]);
    const files = openFiles().map((fd) => fs.fstatSync(fd));
    expect(files.map(({ mode, nlink }) => [mode & 0o777, nlink])).toEqual([[0o600, 0]]);
    const { left, last } = await drainBody(body);
    const head = first.kind === 'data' ? first.data : [];
    expect(Buffer.concat([...head, left]).equals(raw)).toBe(true);
    expect(last).toBe('end');
    await body.release();
    expect(openFiles()).toEqual([]);
    expect([store.heldBytes, store.spilledBytes]).toEqual([0, 0]);
  });

  it('a value deep in one that waits on disk is found, and nothing of it leaves', async () => {
    const raw = brotliCompressSync(Buffer.concat([randomBytes(2 * MiB), Buffer.from(SECRET), randomBytes(MiB)]), {
      params: { 1: 1 },
    });
    const store = new HoldStore(directory);
    const body = new HeldBody(arriving(blocksOf(raw), false), screen, ['br'], store);
    expect(await drainBody(body)).toEqual({ left: Buffer.alloc(0), last: 'found' });
    await body.release();
    expect(store.spilledBytes).toBe(0);
  });

  it('one that was released in the middle of its way out gives no byte more', async () => {
    const raw = gzipSync(randomBytes(2 * MiB));
    const body = new HeldBody(arriving(blocksOf(raw), false), screen, ['gzip'], new HoldStore(directory));
    await body.next();
    await body.release();
    expect(await body.next()).toMatchObject({ kind: 'broken' });
  });

  it.each([
    { held: LIMITS.heldTotalBytes, spilled: 0, why: 'memory' },
    { held: 0, spilled: LIMITS.heldTotalBytes, why: 'disk' },
  ])(
    'S16 is refused when all that is held is too much in $why, and gives its share back',
    async ({ held, spilled }) => {
      const store = new HoldStore(directory);
      store.heldBytes = held;
      store.spilledBytes = spilled;
      const body = new HeldBody(arriving([gzipSync('x')], false), screen, ['gzip'], store);
      expect(await body.next()).toMatchObject({ kind: 'refused', status: 503, reason: 'limit_reached' });
      await body.release();
      expect([store.heldBytes, store.spilledBytes]).toEqual([held, spilled]);
    },
  );

  it('goes to disk at once when the memory of all is taken', async () => {
    const store = new HoldStore(directory);
    store.heldBytes = LIMITS.heldMemoryTotalBytes;
    const body = new HeldBody(arriving([gzipSync('x')], false), screen, ['gzip'], store);
    expect((await drainBody(body)).last).toBe('end');
    expect(store.spilledBytes).toBeGreaterThan(0);
    await body.release();
  });

  it('S16 is refused, naming the bound, when one is longer than any may be', async () => {
    const block = Buffer.alloc(MiB);
    const held = new HoldStore(directory).hold();
    expect(await held.append([block, block], 2 * MiB)).toBeNull();
    expect(await held.append([Buffer.of(1)], 2 * MiB)).toMatchObject({
      status: 403,
      reason: 'unscannable',
      detail: expect.stringContaining(String(2 * MiB)),
    });
    await held.release();
  });

  it('S16 is refused when the disk takes no more, and does not wait', async () => {
    const gone = fs.mkdtempSync(path.join(os.tmpdir(), 'hold-gone-'));
    const store = new HoldStore(gone);
    fs.rmdirSync(gone);
    const body = new HeldBody(arriving(blocksOf(gzipSync(randomBytes(2 * MiB))), false), screen, ['gzip'], store);
    expect(await body.next()).toMatchObject({
      kind: 'refused',
      status: 503,
      detail: expect.stringContaining('ENOENT'),
    });
    await body.release();
    expect([store.heldBytes, store.spilledBytes]).toEqual([0, 0]);
  });

  it('a body in a million pieces takes no more memory than its bytes', async () => {
    const held = new HoldStore(directory).hold();
    const piece = Uint8Array.of(7);
    const before = process.memoryUsage().rss;
    for (let count = 0; count < 500_000; count += 1) await held.append([piece]);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MiB);
    expect(held.size).toBe(500_000);
    await held.release();
  });

  it('names that a crash left are gone with the next start', () => {
    const left = path.join(directory, `held-${'0'.repeat(16)}`);
    fs.writeFileSync(left, 'x');
    fs.writeFileSync(path.join(directory, 'control.sock'), '');
    void new HoldStore(directory);
    expect(fs.readdirSync(directory)).toEqual(['control.sock']);
    fs.rmSync(path.join(directory, 'control.sock'));
  });
});

describe('S9 a body with a place for a value', () => {
  const swapping = (bytes: Buffer, store: HoldStore, kind: 'form' | 'json' = 'json'): SwappedBody => {
    const name = kind === 'json' ? '/key' : 'key';
    const placement = new Placement(
      [{ env: 'KEY', in: kind, name }],
      [{ env: 'KEY', standIn: STAND_IN }],
      () => SECRET,
    );
    return new SwappedBody({ reader: arriving(blocksOf(bytes), false), screen, store, kind, placement });
  };

  it('S16 what is held on disk has the stand-in in it and never the value, which is put in on the way out', async () => {
    const filler = `é${'x'.repeat(3 * MiB)}`;
    const bytes = Buffer.from(`{"filler":"${filler}","key":"${STAND_IN}","after":"é"}`);
    const store = new HoldStore(directory);
    const body = swapping(bytes, store);
    const first = await body.next();
    expect(store.spilledBytes).toBe(bytes.length);
    expect(onDisk()).toContain(STAND_IN);
    expect(onDisk()).not.toContain(SECRET);
    const { left } = await drainBody(body);
    const out = Buffer.concat([...(first.kind === 'data' ? first.data : []), left]);
    expect(out.toString()).toBe(`{"filler":"${filler}","key":"${SECRET}","after":"é"}`);
    expect(body.reframed).toEqual({ kind: 'length', length: out.length });
    await body.release();
  });

  it('S16 is refused beyond what is read as a text', async () => {
    const body = swapping(Buffer.alloc(LIMITS.swappedBodyBytes + 1, 'x'), new HoldStore(directory), 'form');
    const detail: unknown = expect.stringContaining(String(LIMITS.swappedBodyBytes));
    expect(await body.next()).toMatchObject({ status: 403, reason: 'unscannable', detail });
    await body.release();
  });

  function onDisk(): string {
    return openFiles()
      .map((fd) => fs.readFileSync(`/proc/self/fd/${String(fd)}`, 'utf8'))
      .join('');
  }
});

function blocksOf(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 60 * KiB) blocks.push(bytes.subarray(at, at + 60 * KiB));
  return blocks;
}
