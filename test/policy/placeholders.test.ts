import { describe, expect, test } from 'vitest';
import {
  Placement,
  placeholderProblems,
  placeValueProblem,
  withoutSwaps,
  type BodySwap,
} from '../../src/policy/placeholders.ts';
import type { Placeholder, RouteAuth } from '../../src/schema/route.ts';

const STAND_IN = 'k3j5h2g8f9d0s1a4p7o6i5u3y2t1r0e9w8q7m6n5';
const OTHER = 'z9y8x7w6v5u4t3s2r1q0p9o8n7m6l5k4j3h2g1f0';
const VALUE = 'rk_live_9Xq2 Zw/é';
const HEADER: Placeholder = { env: 'KEY', in: 'header', name: 'Authorization' };

function placement(...rules: readonly Placeholder[]): Placement {
  return new Placement(rules, [{ env: 'KEY', standIn: STAND_IN }], () => VALUE);
}

/** The body as it goes out. */
function withSwaps(text: string, swaps: readonly BodySwap[]): string {
  return withoutSwaps(
    text,
    swaps.map((swap) => ({ ...swap, rest: swap.value })),
  );
}

describe('S9 a stand-in is swapped in its declared place', () => {
  test.each([
    { sent: STAND_IN, goes: VALUE, why: 'the whole value' },
    { sent: `Bearer ${STAND_IN}`, goes: `Bearer ${VALUE}`, why: 'after a scheme word' },
    { sent: `token  ${STAND_IN}`, goes: `token  ${VALUE}`, why: 'after another, with more space' },
    { sent: `x${STAND_IN}`, goes: null, why: 'a part of a word' },
    { sent: `Bearer a ${STAND_IN}`, goes: null, why: 'after two words' },
    { sent: `${STAND_IN}, ${STAND_IN}`, goes: null, why: 'a list' },
    { sent: STAND_IN.toUpperCase(), goes: null, why: 'another letter case' },
    { sent: Buffer.from(`u:${STAND_IN}`).toString('base64'), goes: null, why: 'inside Basic' },
  ])('header: $why', ({ sent, goes }) => {
    const placed = placement(HEADER).head('/', [['authorization', sent]]);
    expect(placed.headers).toEqual([['authorization', goes ?? sent]]);
    expect(placed.rest.headers).toEqual([['authorization', goes === null ? sent : '']]);
  });

  const escaped = Array.from(STAND_IN, (character) => `%${character.charCodeAt(0).toString(16)}`).join('');
  test.each([
    {
      target: `/p?a=1&key=${STAND_IN}&b=2`,
      goes: `/p?a=1&key=${encodeURIComponent(VALUE)}&b=2`,
      why: 'a pair among others',
    },
    { target: `/p?a=1;key=${STAND_IN}`, goes: `/p?a=1;key=${encodeURIComponent(VALUE)}`, why: 'a semicolon before it' },
    { target: `/p?k%65y=${escaped}`, goes: `/p?k%65y=${encodeURIComponent(VALUE)}`, why: 'both escaped' },
    { target: `/p?KEY=${STAND_IN}`, goes: null, why: 'another name' },
    { target: `/p?other=${STAND_IN}`, goes: null, why: 'another parameter' },
    { target: `/p?key=${STAND_IN}x`, goes: null, why: 'not the whole value' },
    { target: `/${STAND_IN}?key=`, goes: null, why: 'in the path' },
    { target: `/p?key=%25${escaped.slice(1)}`, goes: null, why: 'escaped twice: some server would not see it' },
  ])('query: $why', ({ target, goes }) => {
    const placed = placement({ env: 'KEY', in: 'query', name: 'key' }).head(target, []);
    expect(placed.target).toBe(goes ?? target);
    expect(placed.swaps.length).toBe(goes === null ? 0 : 1);
  });

  test.each([
    {
      number: '2',
      target: `/a/${STAND_IN}/b?c`,
      goes: `/a/${encodeURIComponent(VALUE)}/b?c`,
      why: 'the second segment',
    },
    { number: '1', target: `/a/${STAND_IN}`, goes: null, why: 'another segment' },
    { number: '2', target: `/a/x${STAND_IN}`, goes: null, why: 'a part of a segment' },
    { number: '9', target: '/a', goes: null, why: 'a path that is shorter' },
  ])('path: $why', ({ number, target, goes }) => {
    const placed = placement({ env: 'KEY', in: 'path', name: number }).head(target, []);
    expect(placed.target).toBe(goes ?? target);
  });

  test('form: the pair alone changes', () => {
    const text = `a=%7e+&api+key=${STAND_IN}&a=~`;
    const swaps = placement({ env: 'KEY', in: 'form', name: 'api key' }).body('form', text);
    expect(withSwaps(text, swaps)).toBe(`a=%7e+&api+key=${encodeURIComponent(VALUE)}&a=~`);
    expect(withoutSwaps(text, swaps)).toBe('a=%7e+&api+key=&a=~');
  });

  test('json: the string alone changes, and is written as JSON', () => {
    const rule: Placeholder = { env: 'KEY', in: 'json', name: '/auth/0/token' };
    const before = '{ "n": 1.0e2,\n "auth":[{"token":';
    const text = `${before}"${STAND_IN}"}], "x":"\\u0041"}`;
    const swaps = placement(rule).body('json', text);
    expect(withSwaps(text, swaps)).toBe(`${before}${JSON.stringify(VALUE)}}], "x":"\\u0041"}`);
    expect(withoutSwaps(text, swaps)).toBe(`${before}""}], "x":"\\u0041"}`);
  });

  test('several places in one body, declared in another order than they stand', () => {
    const text = `{"a":"${STAND_IN}","é":"${OTHER}"}`;
    const rules: readonly Placeholder[] = [
      { env: 'OTHER', in: 'json', name: '/é' },
      { env: 'KEY', in: 'json', name: '/a' },
    ];
    const standIns = [
      { env: 'KEY', standIn: STAND_IN },
      { env: 'OTHER', standIn: OTHER },
    ];
    const swaps = new Placement(rules, standIns, (env) => `real-${env}`).body('json', text);
    expect(withSwaps(text, swaps)).toBe('{"a":"real-KEY","é":"real-OTHER"}');
  });

  test.each([
    { kind: 'form', type: 'application/x-www-form-urlencoded; charset=utf-8' },
    { kind: 'json', type: 'Application/JSON' },
    { kind: 'json', type: 'application/vnd.api+json' },
    { kind: null, type: 'text/plain' },
    { kind: null, type: '' },
  ])('$type is $kind', ({ kind, type }) => {
    const both = placement({ env: 'KEY', in: 'form', name: 'a' }, { env: 'KEY', in: 'json', name: '/a' });
    expect(both.wantsBody(type)).toBe(kind);
  });

  test('once in a request: the second occurrence stays for the scan, in head and body', () => {
    const twice = placement(HEADER, { env: 'KEY', in: 'form', name: 'key' });
    const placed = twice.head('/', [
      ['Authorization', STAND_IN],
      ['authorization', STAND_IN],
    ]);
    expect(placed.headers).toEqual([
      ['Authorization', VALUE],
      ['authorization', STAND_IN],
    ]);
    expect(twice.body('form', `key=${STAND_IN}`)).toEqual([]);
    expect([...twice.used]).toEqual(['KEY']);
  });
});

describe('S9 no stand-in is declared', () => {
  test.each([
    'Host', 'cookie', 'User-Agent', 'Referer', 'Origin', 'Forwarded', 'Via', 'X-Forwarded-For', 'x_forwarded_host',
    'traceparent', 'X-B3-TraceId', 'X-Request-Id', 'Sec-WebSocket-Key', 'Content-Length', 'no name',
  ])('in the header %s', (name) => {
    expect(placeholderProblems({ placeholders: [{ env: 'KEY', in: 'header', name }] })).toHaveLength(1);
  }); // prettier-ignore

  test.each([
    { in: 'json', name: 'token' },
    { in: 'path', name: '0' },
    { in: 'path', name: 'two' },
  ] as const)('in $in $name', (place) => {
    expect(placeholderProblems({ placeholders: [{ env: 'KEY', ...place }] })).toHaveLength(1);
  });

  test('where auth of the same route takes it away', () => {
    const auth: RouteAuth = { scheme: 'query', token_ref: 'T', name: 'sig' };
    const problems = (place: Omit<Placeholder, 'env'>) =>
      placeholderProblems({ auth, placeholders: [{ env: 'KEY', ...place }] });
    expect(problems({ in: 'header', name: 'X-Api-Key' })).toHaveLength(1);
    expect(problems({ in: 'query', name: 'sig' })).toHaveLength(1);
    expect(problems({ in: 'header', name: 'X-Second' })).toEqual([]);
    expect(problems({ in: 'form', name: 'token' })).toEqual([]);
  });
});

test('a value that would break out of its place is refused', () => {
  expect(placeValueProblem('header', 'a\nb')).not.toBeNull();
  expect(placeValueProblem('path', 'a/b')).not.toBeNull();
  expect(placeValueProblem('path', '..')).not.toBeNull();
  expect(placeValueProblem('path', 'sk_live-1.2~3')).toBeNull();
  expect(placeValueProblem('json', 'a"\nb')).toBeNull();
});
