import { describe, expect, it } from 'vitest';
import { openTcp, exchangeRaw, reasonOf, statusOf } from './support/agent.ts';
import { startHarness } from './support/harness.ts';
import { answering, startOrigin } from './support/origin.ts';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('S6 a gateway that asks for a user and password', () => {
  it.each([
    { authorization: null, status: 407 },
    { authorization: basic('user:wrong'), status: 407 },
    { authorization: basic('other:pass'), status: 407 },
    { authorization: 'Basic !!!', status: 407 },
    { authorization: basic('user:pass'), status: 200 },
  ])('$authorization → $status', async ({ authorization, status }) => {
    await using origin = await startOrigin(answering('ok'), { tls: false });
    await using harness = await startHarness({
      routes: [{ host: 'plain.example.com' }],
      origins: { 'plain.example.com:80': origin },
      proxyAuth: { user: 'user', password: 'pass' },
    });
    const header = authorization === null ? '' : `Proxy-Authorization: ${authorization}\r\n`;
    for (const start of [
      'GET http://plain.example.com/ HTTP/1.1\r\nHost: plain.example.com',
      'CONNECT plain.example.com:80 HTTP/1.1\r\nHost: plain.example.com:80',
    ]) {
      const socket = await openTcp(harness.port('proxy'));
      const text = await exchangeRaw(socket, `${start}\r\n${header}\r\n`, '\r\n\r\n');
      expect(statusOf(text)).toBe(status);
      expect(reasonOf(text)).toBe(status === 407 ? 'proxy_auth' : undefined);
      if (status === 407) expect(text.toLowerCase()).toContain('proxy-authenticate: basic');
      socket.destroy();
    }
    const request = origin.seen.at(-1);
    expect(request === undefined ? [] : Object.keys(request.headers)).not.toContain('proxy-authorization');
  });
});
