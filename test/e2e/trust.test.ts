import fs from 'node:fs';
import path from 'node:path';
import { expect, describe, it } from 'vitest';
import { answering, startOrigin, upstreamCa } from '../egress/support/origin.ts';
import { World } from './support/world.ts';

const URL_INSIDE = 'https://api.example.com/page';
const BODY = '<p>from the origin</p>';
const NODE = '/opt/bot-bottle/node';

function trusting(port: number): World {
  const world = new World();
  const ca = path.join(world.home, 'upstream.pem');
  fs.writeFileSync(ca, upstreamCa.certificate);
  world.settings(
    `upstream:\n  extra_ca: [${ca}]\n  resolve:\n    'api.example.com:443': '127.0.0.1:${String(port)}'\n`,
  );
  world.bottle('api', 'egress:\n  routes:\n    - host: api.example.com');
  fs.writeFileSync(
    path.join(world.project, 'Get.java'),
    [
      'import java.net.URI;',
      'public class Get {',
      '  public static void main(String[] arguments) throws Exception {',
      '    System.out.write(URI.create(arguments[0]).toURL().openStream().readAllBytes());',
      '    System.out.flush();',
      '  }',
      '}',
      '',
    ].join('\n'),
  );
  return world;
}

const PYTHON = `/usr/bin/python3 -c "import urllib.request as u; print(u.urlopen('${URL_INSIDE}').read().decode())"`;
const FETCH = `${NODE} -e "fetch('${URL_INSIDE}').then((r) => r.text()).then(console.log)"`;

const CLIENTS: readonly (readonly [name: string, needs: string, command: string])[] = [
  ['curl', '/usr/bin/curl', `curl -sS ${URL_INSIDE}`],
  ['curl without a proxy', '/usr/bin/curl', `curl -sS --noproxy '*' ${URL_INSIDE}`],
  ['python3 urllib', '/usr/bin/python3', PYTHON],
  ['python3 urllib without a proxy', '/usr/bin/python3', `env -u https_proxy -u HTTPS_PROXY ${PYTHON}`],
  ['node fetch, which reads no proxy variable', '/bin/sh', FETCH],
  ['java', '/usr/bin/java', `java Get.java ${URL_INSIDE}`],
  [
    'headless chromium',
    '/usr/bin/chromium /usr/bin/certutil',
    `/usr/bin/chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --dump-dom ${URL_INSIDE}`,
  ],
];

describe('S7 programs trust the bottle’s CA and get through', () => {
  it.for(CLIENTS)('S7 %s', async ([, needs, command], { skip }) => {
    const missing = needs.split(' ').find((file) => !fs.existsSync(file));
    if (missing !== undefined) skip(`the host has no ${missing}`);
    await using origin = await startOrigin(answering(BODY, { 'content-type': 'text/html' }));
    using world = trusting(origin.port);
    const { stdout, stderr } = await world.run(['run', '--bottle', 'api', '--', 'sh', '-c', command]);
    expect(stdout, stderr).toContain(BODY);
    expect(origin.seen.map(({ url }) => url)).toContain('/page');
  });

  it.each([
    ['refused', 'without git.fetch', '', false],
    ['let through', 'with git.fetch', '\n      git: {fetch: true}', true],
  ])('S7 git ls-remote over https is %s %s', async (_what, _when, git, reaches) => {
    const hash = 'a'.repeat(40);
    const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
    const refs = `${line('# service=git-upload-pack\n')}0000${line(`${hash} HEAD\0agent=test\n`)}0000`;
    const type = 'application/x-git-upload-pack-advertisement';
    await using origin = await startOrigin(answering(refs, { 'content-type': type }));
    using world = trusting(origin.port);
    world.bottle('api', `egress:\n  routes:\n    - host: api.example.com${git}`);
    const command = ['git', '-c', 'protocol.version=0', 'ls-remote', 'https://api.example.com/a.git'];
    const { stdout, stderr } = await world.run(['run', '--bottle', 'api', '--', ...command]);
    expect(stdout, stderr).toBe(reaches ? `${hash}\tHEAD\n` : '');
    expect(origin.seen).toHaveLength(reaches ? 1 : 0);
    if (!reaches) expect(stderr).toContain('403');
  });
});
