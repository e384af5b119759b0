import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferMeter, Wire } from '../../src/egress/wire.ts';
import { KiB, LIMITS, MiB } from '../../src/kernel/limits.ts';

let peer: Socket;
let socket: Socket;
let meter: BufferMeter;
let wire: Wire;

beforeEach(async () => {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  peer.on('error', () => undefined);
  [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  meter = new BufferMeter();
  wire = new Wire(socket, meter);
});
afterEach(() => {
  wire.destroy();
  peer.destroy();
});

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('reading', () => {
  it('gives what was put back before what came after it', async () => {
    peer.write('hello');
    const block = await wire.read(1000);
    wire.unread(Buffer.from('lo'));
    peer.write(' world');
    expect(block?.toString()).toBe('hello');
    expect((await wire.read(1000))?.toString()).toBe('lo');
    expect((await wire.read(1000))?.toString()).toBe(' world');
  });

  it('holds a peer back that sends more than is asked for', async () => {
    peer.write(Buffer.alloc(8 * MiB));
    await turns(200);
    expect(wire.heldBytes).toBeGreaterThanOrEqual(LIMITS.wireQueueBytes);
    expect(wire.heldBytes).toBeLessThan(LIMITS.wireQueueBytes + 128 * KiB);
    expect(meter.held).toBe(wire.heldBytes);
    let received = 0;
    while (received < 8 * MiB) received += (await wire.read(1000))?.length ?? 0;
    expect(received).toBe(8 * MiB);
    expect(meter.held).toBe(0);
  });

  it('ends with null after the peer has ended, with all that came before', async () => {
    peer.end('last');
    expect((await wire.read(1000))?.toString()).toBe('last');
    expect(await wire.read(1000)).toBeNull();
    expect(wire.quiet).toBe(false);
  });

  it('fails when nothing comes in time, and can be asked again', async () => {
    await expect(wire.read(5)).rejects.toMatchObject({ kind: 'timeout' });
    peer.write('late');
    expect((await wire.read(1000))?.toString()).toBe('late');
  });

  it('fails when the connection is reset', async () => {
    const read = wire.read(1000);
    peer.resetAndDestroy();
    await expect(read).rejects.toMatchObject({ kind: 'gone' });
    await expect(wire.read(1000)).rejects.toMatchObject({ kind: 'gone' });
    expect(() => wire.write(Buffer.from('x'))).toThrow('gone');
  });
});

describe('writing', () => {
  it('says when the peer is slow, and waits for it', async () => {
    peer.pause();
    let room = true;
    for (let round = 0; room && round < 1000; round += 1) room = wire.write(Buffer.alloc(64 * KiB));
    expect(room).toBe(false);
    await expect(wire.drained(5)).rejects.toMatchObject({ kind: 'timeout' });
    const drained = wire.drained(5000);
    peer.resume();
    await drained;
    expect(socket.writableNeedDrain).toBe(false);
  });

  it('a wait ends when the peer goes away', async () => {
    peer.pause();
    while (wire.write(Buffer.alloc(64 * KiB)));
    const drained = wire.drained(5000);
    peer.resetAndDestroy();
    await expect(drained).rejects.toMatchObject({ kind: 'gone' });
  });
});

describe('leaving', () => {
  it('is told once', async () => {
    let told = 0;
    wire.onGone = () => (told += 1);
    peer.resetAndDestroy();
    await new Promise((resolve) => socket.once('close', resolve));
    wire.destroy();
    expect(told).toBe(1);
  });

  it.each([
    { endMeansGone: false, told: 0 },
    { endMeansGone: true, told: 1 },
  ])("a peer's end is told as such when that is what it means: $endMeansGone", async ({ endMeansGone, told }) => {
    const strict = new Wire(wire.release(), meter, { endMeansGone });
    let count = 0;
    strict.onGone = () => (count += 1);
    strict.socket.resume();
    peer.end();
    await once(socket, 'end');
    expect(count).toBe(told);
    expect(await strict.read(1000)).toBeNull();
    strict.destroy();
  });

  it('the socket is given away with all that was not read', async () => {
    peer.write('hello');
    wire.unread((await wire.read(1000)) ?? Buffer.alloc(0));
    const released = wire.release();
    expect(String(released.read())).toBe('hello');
    expect(meter.held).toBe(0);
  });
});

describe('writes of one turn of the event loop', () => {
  const pair = async (): Promise<{ readonly end: Socket; readonly other: Wire }> => {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const end = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
    end.on('error', () => undefined);
    const [accepted] = (await once(server, 'connection')) as [Socket];
    server.close();
    return { end, other: new Wire(accepted, meter) };
  };
  const received = async (from: Socket, count: number): Promise<string> => {
    let text = '';
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      text += String(chunk);
      if (text.length >= count) break;
    }
    return text;
  };

  it('the first goes at once, the others together at its end', async () => {
    const { end, other } = await pair();
    wire.write('first');
    other.write('second');
    other.writeAll(['third', Buffer.from('fourth')]);
    expect(wire.heldBytes).toBe(0);
    expect(other.heldBytes).toBe('secondthirdfourth'.length);
    await turns(2);
    expect(other.heldBytes).toBe(0);
    expect(await received(peer, 5)).toBe('first');
    expect(await received(end, 17)).toBe('secondthirdfourth');
    other.destroy();
    end.destroy();
  });

  it.each([
    { by: 'end', finish: (held: Wire): unknown => held.end(1000) },
    {
      by: 'destroy',
      finish: (held: Wire): void => {
        held.destroy();
      },
    },
    { by: 'drained', finish: (held: Wire): unknown => held.drained(1000) },
    { by: 'release', finish: (held: Wire): unknown => held.release() },
    { by: 'a large block behind it', finish: (held: Wire): unknown => held.write(Buffer.alloc(64 * KiB, '.')) },
  ])('what was held back goes out in its order at $by', async ({ finish }) => {
    const { end, other } = await pair();
    wire.write('first');
    other.write('held ');
    other.write('back');
    finish(other);
    expect(other.heldBytes === 0 || other.gone || other.socket.writableLength > 0).toBe(true);
    expect((await received(end, 9)).slice(0, 9)).toBe('held back');
    other.destroy();
    end.destroy();
  });

  it('text is written as one byte per character', async () => {
    wire.write('caf\xe9');
    const [chunk] = (await once(peer, 'data')) as [Buffer];
    expect(chunk.toString('latin1')).toBe('caf\xe9');
  });

  it('nothing is written to a peer that has gone meanwhile', async () => {
    const { end, other } = await pair();
    wire.write('first');
    other.write('held back');
    other.socket.destroy();
    await turns(3);
    expect(other.gone).toBe(true);
    expect(() => other.write('more')).toThrow('gone');
    end.destroy();
  });
});
