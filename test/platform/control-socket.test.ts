import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { LIMITS } from '../../src/kernel/limits.ts';
import { err, ok } from '../../src/kernel/result.ts';
import { ControlClient } from '../../src/platform/control-client.ts';
import { ControlServer } from '../../src/platform/control-socket.ts';

const NONCE = 'a-nonce-of-this-bottle';
let directory = '';
let path = '';
let server: ControlServer;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bot-bottle-control-'));
  path = join(directory, 'control.sock');
  server = await ControlServer.start({
    path,
    nonce: NONCE,
    methods: {
      echo: (params) => ok(params),
      refuse: () => err({ code: -32002, message: 'not now' }),
      crash: () => {
        throw new RangeError('boom');
      },
      follow: (_params, peer) => {
        peer.notify('told', { n: 1 });
        return ok(null);
      },
    },
  });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

describe('S6 the control socket', () => {
  it('can be opened by its owner only', () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('answers a call that carries the nonce, and passes the rest of its parameters on', async () => {
    using client = await ControlClient.connect(path, NONCE);
    expect(await client.call('echo', z.unknown(), { a: 1 })).toEqual({ a: 1 });
  });

  it.each([
    { nonce: 'another', method: 'echo', message: 'wrong nonce' },
    { nonce: '', method: 'echo', message: 'wrong nonce' },
    { nonce: NONCE, method: 'toString', message: 'unknown method' },
    { nonce: NONCE, method: 'refuse', message: 'not now' },
    { nonce: NONCE, method: 'crash', message: 'boom' },
  ])('refuses $method with nonce "$nonce": $message', async ({ nonce, method, message }) => {
    using client = await ControlClient.connect(path, nonce);
    await expect(client.call(method, z.unknown())).rejects.toThrow(message);
  });

  it('sends notifications to who asked for them', async () => {
    using client = await ControlClient.connect(path, NONCE);
    const told = new Promise((resolve) => {
      client.onNotification((method, params) => {
        resolve({ method, params });
      });
    });
    await client.call('follow', z.null());
    expect(await told).toEqual({ method: 'told', params: { n: 1 } });
  });

  it.each([
    { line: 'not json\n', why: 'not JSON' },
    { line: '{"jsonrpc":"2.0","id":1,"method":"echo"}\n', why: 'no parameters, so no nonce' },
    { line: '[]\n', why: 'batches are not spoken' },
  ])('answers an error to $why', async ({ line }) => {
    const socket = connect(path);
    socket.write(line);
    const [answer] = z.tuple([z.instanceof(Buffer)]).parse(await once(socket, 'data'));
    expect(answer.toString()).toContain('"error"');
    socket.destroy();
  });

  it('closes on a line beyond the bound', async () => {
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.write(Buffer.alloc(LIMITS.controlLineBytes + 1, 0x61));
    await once(socket, 'close');
    expect(socket.destroyed).toBe(true);
  });

  it('a call ends with an error when the service goes away', async () => {
    using client = await ControlClient.connect(path, NONCE);
    await server[Symbol.asyncDispose]();
    await expect(client.call('echo', z.unknown())).rejects.toThrow('does not answer');
    await client.closed;
  });

  it('takes the place of a socket that a killed predecessor left', async () => {
    await using successor = await ControlServer.start({ path, nonce: NONCE, methods: { echo: () => ok('new') } });
    void successor;
    using client = await ControlClient.connect(path, NONCE);
    expect(await client.call('echo', z.string())).toBe('new');
  });
});
