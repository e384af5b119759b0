import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { socketOwner } from '../../src/protocol/proc-net.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const row = (local: string, remote: string, state: string, uid: number): string =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${String(uid)}        0 20000 1 0000 20 4 30 10 -1`;
const table = [
  HEAD,
  row('0100007F:1F90', '00000000:0000', '0A', 0),
  row('0100007F:C350', '0100007F:1F90', '01', 1000),
  row('0100007F:1F90', '0100007F:C350', '01', 65534),
  row('0100007F:C351', '0100007F:1F90', '06', 0),
  row('00000000000000000000000001000000:C352', '00000000000000000000000001000000:1F90', '01', 1001),
  row('0000000000000000FFFF00000100007F:C353', '0000000000000000FFFF00000100007F:1F90', '01', 1002),
].join('\n');
const at = (address: string, port: number): { address: string; port: number } => ({ address, port });

describe('S6 who holds the other end of a loopback connection', () => {
  it.each([
    {
      why: 'the client’s row, not the server’s',
      local: at('127.0.0.1', 50_000),
      remote: at('127.0.0.1', 8080),
      uid: 1000,
    },
    { why: 'a client that has let go', local: at('127.0.0.1', 50_001), remote: at('127.0.0.1', 8080), uid: null },
    { why: 'IPv6', local: at('::1', 50_002), remote: at('::1', 8080), uid: 1001 },
    {
      why: 'IPv4 by a socket of the other kind',
      local: at('127.0.0.1', 50_003),
      remote: at('127.0.0.1', 8080),
      uid: 1002,
    },
    {
      why: 'the same, as Node may call it',
      local: at('::ffff:127.0.0.1', 50_003),
      remote: at('::ffff:127.0.0.1', 8080),
      uid: 1002,
    },
    { why: 'nobody', local: at('127.0.0.1', 4), remote: at('127.0.0.1', 8080), uid: null },
    { why: 'another server', local: at('127.0.0.1', 50_000), remote: at('127.0.0.1', 8081), uid: null },
    { why: 'no address', local: at('nonsense', 50_000), remote: at('127.0.0.1', 8080), uid: null },
  ])('$why → $uid', ({ local, remote, uid }) => {
    expect(socketOwner(table, local, remote)).toBe(uid);
  });

  it('never throws, whatever the table or the address', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(65_535), (text, address, port) => {
        expect(socketOwner(`${table}\n${text}`, { address, port }, { address: text, port })).toSatisfy(
          (uid: unknown) => uid === null || typeof uid === 'number',
        );
      }),
    );
  });
});
