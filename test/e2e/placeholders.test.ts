import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { answering, startOrigin, upstreamCa } from '../egress/support/origin.ts';
import { World } from './support/world.ts';

const VALUE = 'rk_live_9XqT2ZwBn4Lk8Vd3';
const HOST = 'api.example.com';

function world(port: number, bottle: string): World {
  const made = new World();
  const ca = path.join(made.home, 'upstream.pem');
  fs.writeFileSync(ca, upstreamCa.certificate);
  made.settings(`upstream:\n  extra_ca: [${ca}]\n  resolve:\n    '${HOST}:443': '127.0.0.1:${String(port)}'\n`);
  made.bottle('api', bottle);
  return made;
}

const PLACED = `env: {API_KEY: '\${HOST_KEY}'}
egress:
  routes:
    - host: ${HOST}
      placeholders: [{env: API_KEY, in: header, name: authorization}]`;

describe('a value with a placeholder', () => {
  it('S8 S9 G-SECRET is not inside, and reaches the upstream in its place alone', async () => {
    await using origin = await startOrigin(answering(`you sent ${VALUE}`));
    using made = world(origin.port, PLACED);
    const script = [
      'test "${#API_KEY}" = 40 && echo stand-in',
      'cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n" | sort -u',
      `curl -sS -X POST -H "authorization: Bearer $API_KEY" -d x=y https://${HOST}/charge`,
      `curl -sS -X POST -d "comment=$API_KEY" https://${HOST}/comment`,
    ].join('\n');
    const { stdout, stderr, code } = await made.run(['run', '--bottle', 'api', '--', 'sh', '-c', script], {
      env: { HOST_KEY: VALUE },
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('stand-in\n');
    expect(stdout + stderr).not.toContain(VALUE.slice('rk_live_'.length));
    expect(stdout).toContain('placeholder_out_of_place');
    expect(origin.seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/charge', `Bearer ${VALUE}`],
    ]);
    expect(stderr).not.toContain('inside in clear');
  });

  it('S14 is refused before anything starts when it is too easy to guess, or not there', async () => {
    using made = world(1, PLACED);
    const weak = await made.run(['run', '--bottle', 'api', '--', 'true'], { env: { HOST_KEY: 'password' } });
    expect(weak.code).toBe(1);
    expect(weak.stderr).toContain('the value of API_KEY is a common word');
    const missing = await made.run(['run', '--bottle', 'api', '--', 'true']);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('HOST_KEY');
    expect(made.slugs()).toEqual([]);
  });

  it.each([
    { env: 'OTHER: x', says: 'no entry of env', why: 'no such variable' },
    { env: 'API_KEY: literal', says: 'a plain value', why: 'a value that is no secret' },
  ])('is an error of the manifest with $why, at its line', async ({ env, says }) => {
    using made = world(1, PLACED.replace(/API_KEY: '[^']*'/, env));
    const { stderr, code } = await made.run(['run', '--bottle', 'api', '--', 'true']);
    expect(code).toBe(1);
    expect(stderr).toContain('bottles/api.md:5');
    expect(stderr).toContain(says);
  });
});
