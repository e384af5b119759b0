import type { Socket } from 'node:net';

/** HTTP/2 frames by hand, for what no client would send. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const TYPE = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const settings = (): Buffer => frame(TYPE.settings, 0, 0);

/** Literal fields without indexing, so every block stands alone (RFC 7541, 6.2.2). */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const rest: number[] = [];
    let left = bytes.length - 127;
    for (; left >= 128; left >>= 7) rest.push((left & 127) | 128);
    return Buffer.concat([Buffer.from([127, ...rest, left]), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Collects what comes back; `closed` resolves with all of it when the connection has ended. */
export function listen(socket: Socket): {
  readonly frames: SeenFrame[];
  readonly closed: Promise<readonly SeenFrame[]>;
  until(type: number, stream: number): Promise<SeenFrame>;
} {
  const frames: SeenFrame[] = [];
  const waiters = new Set<() => void>();
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const length = bytes.readUIntBE(0, 3);
      const [type = 0, flags = 0] = [bytes[3], bytes[4]];
      frames.push({ type, flags, stream: bytes.readUInt32BE(5), payload: bytes.subarray(9, 9 + length) });
      bytes = bytes.subarray(9 + length);
    }
    for (const wake of waiters) wake();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<readonly SeenFrame[]>((resolve) => {
    socket.on('close', () => {
      resolve(frames);
    });
    socket.on('end', () => {
      socket.destroy();
    });
  });
  return {
    frames,
    closed,
    async until(type, stream) {
      for (;;) {
        const found = frames.find((seen) => seen.type === type && seen.stream === stream);
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiters.delete(wake);
            resolve();
          };
          waiters.add(wake);
        });
      }
    },
  };
}
