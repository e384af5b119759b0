import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectAny, type Endpoint } from '../../src/platform/connect-any.ts';
import { SessionCache } from '../../src/platform/tls-sessions.ts';

let server: Server;
let port = 0;
beforeAll(async () => {
  server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => {
  server.close();
});

const open = ({ address, port: at }: Endpoint) => connect({ host: address, port: at });

/** An address of a documentation range: nobody answers there. */
const NOWHERE = ['192.0.2.1', '2001:db8::1', '198.51.100.7'];

describe('several addresses', () => {
  it('the one that answers is taken, wherever it stands', async () => {
    for (const at of [0, 1, 3]) {
      const addresses = NOWHERE.toSpliced(at, 0, '127.0.0.1');
      const connected = await connectAny(
        addresses.map((address) => ({ address, port })),
        5_000,
        open,
      );
      expect(connected.ok && connected.value.remoteAddress).toBe('127.0.0.1');
      if (connected.ok) connected.value.destroy();
    }
  });

  it('none that answers is a failure with its reason', async () => {
    const connected = await connectAny([{ address: '127.0.0.1', port: 1 }], 5_000, open);
    expect(connected).toMatchObject({ ok: false, error: { status: 502, reason: 'upstream_unreachable' } });
    expect(await connectAny([], 5_000, open)).toMatchObject({
      ok: false,
      error: { detail: 'the name has no address' },
    });
  });

  it('none that answers in time is another', async () => {
    const silent = await connectAny([{ address: '192.0.2.1', port: 9 }], 1, open);
    expect(silent.ok || ['upstream_timeout', 'upstream_unreachable'].includes(silent.error.reason)).toBe(true);
  });
});

it('a TLS session is resumed once, and the oldest make room', () => {
  const cache = new SessionCache(2);
  for (const key of ['a', 'b', 'c']) cache.put(key, Buffer.from(key));
  expect(cache.take('a')).toBeUndefined();
  expect(cache.take('c')?.toString()).toBe('c');
  expect(cache.take('c')).toBeUndefined();
});
