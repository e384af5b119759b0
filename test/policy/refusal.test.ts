import { describe, expect, it } from 'vitest';
import { adviceFor, renderRefusal } from '../../src/policy/refusal.ts';
import { REASONS } from '../../src/schema/decision.ts';

const refusal = {
  status: 403,
  reason: 'no_route',
  detail: 'no route names this host',
  advice: 'Ask.',
  route: null,
} as const;
const request = { method: 'POST', url: 'https://paste.example.org/api' };

describe('a refusal as the agent reads it', () => {
  it('says what, why, which rule, and what may be done', () => {
    const { status, headers, body } = renderRefusal(refusal, request);
    expect(status).toBe(403);
    expect(body).toBe(
      'bot-bottle refused POST https://paste.example.org/api: no route names this host (no_route).\nAsk.\n' +
        'Trying another way out will not work and is recorded.\n',
    );
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'x-bot-bottle-reason': 'no_route',
    });
  });

  it('steers no terminal and adds no header, whatever was asked for', () => {
    const hostile = { method: 'GET\u001b[2J', url: 'https://a.example/\r\nset-cookie: x\u202e\u0000' };
    const { headers, body } = renderRefusal({ ...refusal, route: 'r', detail: 'x\ny' }, hostile);
    expect(body.split('\n')).toHaveLength(4);
    expect(body.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\p{Cf}/u);
    expect(headers.map(([, value]) => value).join('')).not.toMatch(/[\r\n]/);
  });

  it.each(REASONS)('%s has advice of its own or says who can change it', (reason) => {
    for (const supervise of [true, false]) {
      const advice = adviceFor(reason, { supervise, host: 'a.example', port: 443 });
      expect(advice.trim()).not.toBe('');
      expect(advice).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    }
  });

  it('offers the lines that would allow a host when nobody can be asked', () => {
    const advice = adviceFor('no_route', { supervise: false, host: 'a.example', port: 8443 });
    expect(advice).toContain('host: a.example:8443');
    expect(adviceFor('no_route', { supervise: true, host: 'a.example', port: 443 })).toContain('allow');
  });
});
