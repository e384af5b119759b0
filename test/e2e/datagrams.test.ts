import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { World } from './support/world.ts';

const NODE = '/opt/bot-bottle/node';
/** A first packet of QUIC, version 1, of the length that servers answer (RFC 9000, 14.1 and 17.2.2). */
const QUIC_INITIAL = Buffer.concat([
  Buffer.from('c300000001088394c8f03e5157080000449e', 'hex'),
  Buffer.alloc(1182, 0x5a),
]);

/** Runs in the bottle: one datagram to each target, and what became of it. A closed port of one's own says so. */
const SENDER = `
const dgram = require('node:dgram');
const [targets, packet] = process.argv.slice(1).map((text) => JSON.parse(text));
const bytes = Buffer.from(packet, 'hex');
const send = ([address, port]) => new Promise((resolve) => {
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const tell = (error) => { resolve({ address, port, outcome: error }); socket.close(); };
  socket.on('error', (failure) => tell(failure.code));
  socket.on('message', () => tell('ANSWERED'));
  socket.connect(port, address, (failure) => {
    if (failure) tell(failure.code);
    else socket.send(bytes, (lost) => lost && tell(lost.code));
  });
});
Promise.all(targets.map(send)).then((all) => console.log(JSON.stringify(all)));
`;
/** Runs in the bottle too: sockets below UDP, and beside it. */
const OTHER_SOCKETS = `
import socket
KINDS = {
    'raw': (socket.AF_INET, socket.SOCK_RAW, 1),
    'raw IPv6': (socket.AF_INET6, socket.SOCK_RAW, 58),
    'link': (socket.AF_PACKET, socket.SOCK_RAW, 0),
    'SCTP': (socket.AF_INET, socket.SOCK_SEQPACKET, 132),
    'DCCP': (socket.AF_INET, 6, 33),
}
for name, kind in KINDS.items():
    try:
        s = socket.socket(*kind)
        s.connect(('192.0.2.1', 443))
        print(name, 'connected')
    except (OSError, TypeError):
        print(name, 'refused')
`;
const OutcomesSchema = z.array(z.object({ address: z.string(), port: z.int(), outcome: z.string() }));

async function listen(type: 'udp4' | 'udp6'): Promise<{ readonly socket: Socket; readonly heard: string[] }> {
  const socket = createSocket(type);
  const heard: string[] = [];
  socket.on('message', (_bytes, { address }) => {
    heard.push(address);
    socket.send('answer', 9, address);
  });
  socket.bind(0, type === 'udp4' ? '0.0.0.0' : '::');
  await once(socket, 'listening');
  return { socket, heard };
}

const hasV6 = Object.values(os.networkInterfaces()).some((list) => list?.some(({ family }) => family === 'IPv6'));

describe('G-CONFINED QUIC and UDP have no way out', () => {
  it('no datagram reaches the host, its networks or the gateway’s ports, and each is refused at once', async () => {
    using world = new World();
    world.bottle('api', 'egress:\n  routes:\n    - host: api.example.com');
    const listeners = await Promise.all([listen('udp4'), ...(hasV6 ? [listen('udp6')] : [])]);
    try {
      const ports = listeners.map(({ socket }) => socket.address().port);
      const own = Object.values(os.networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
      const addresses = [...new Set(['127.0.0.1', '::1', ...own.filter((address) => !address.startsWith('fe80'))])];
      const targets = [
        ...addresses.flatMap((address) => [...ports, 443].map((port) => [address, port])),
        ...['127.0.0.2', '192.0.2.1', '198.51.100.7', '2001:db8::1'].map((address) => [address, 443]),
        ['127.0.0.2', 9099],
        ['192.0.2.1', 53],
        ['169.254.169.254', 80],
        ['224.0.0.251', 5353],
        ['ff0e::fb', 5353],
        ['255.255.255.255', 67],
      ];
      const parameters = [JSON.stringify(targets), JSON.stringify(QUIC_INITIAL.toString('hex'))];
      const ran = await world.run(['run', '--bottle', 'api', '--', NODE, '-e', SENDER, ...parameters]);
      const outcomes = OutcomesSchema.parse(JSON.parse(ran.stdout));
      expect(outcomes).toHaveLength(targets.length);
      const refusals = new Set(['ECONNREFUSED', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EHOSTUNREACH']);
      expect(outcomes.filter(({ outcome }) => !refusals.has(outcome))).toEqual([]);
      expect(listeners.flatMap(({ heard }) => heard)).toEqual([]);
    } finally {
      for (const { socket } of listeners) socket.close();
    }
  });

  it('and there are no sockets of other kinds that lead anywhere', async ({ skip }) => {
    if (!fs.existsSync('/usr/bin/python3')) skip('no python3 among the system’s programs');
    using world = new World();
    const ran = await world.run(['run', '--workspace', 'none', '--', '/usr/bin/python3', '-c', OTHER_SOCKETS]);
    expect(ran.stdout, ran.stderr).toBe('raw refused\nraw IPv6 refused\nlink refused\nSCTP refused\nDCCP refused\n');
  });

  it('names are answered over UDP, but nothing that would lead a browser to QUIC', async () => {
    using world = new World();
    world.bottle('api', 'egress:\n  routes:\n    - host: api.example.com');
    // The counts of answers, by type of the question: A, HTTPS, SVCB, TXT.
    const script = `
const dgram = require('node:dgram');
const name = Buffer.concat(['api', 'example', 'com', ''].map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])));
const ask = (type) => new Promise((resolve) => {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (answer) => { resolve(answer.readUInt16BE(6)); socket.close(); });
  socket.send(Buffer.concat([Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), name, Buffer.from([0, type, 0, 1])]), 53, '127.0.0.2');
});
Promise.all([1, 65, 64, 16].map(ask)).then((counts) => console.log(counts.join(' ')));
`;
    const ran = await world.run(['run', '--bottle', 'api', '--', NODE, '-e', script]);
    expect(ran.stdout, ran.stderr).toBe('1 0 0 0\n');
  });
});
