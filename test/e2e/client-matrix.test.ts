import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { rolldown } from 'rolldown';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { upstreamCa } from '../egress/support/origin.ts';
import { startClientOrigins, type ClientOrigins } from './support/client-origins.ts';
import { World } from './support/world.ts';

/**
 * Real programs in real bottles, each by the proxy that the environment names and once more without it. The list is the
 * one of docs/clients.md.
 */
interface Client {
  readonly name: string;
  /** Files of the host without which it can't be asked. */
  readonly needs: readonly string[];
  readonly command: (way: Way) => string;
  readonly says: RegExp;
  /** How it comes by the proxy, as the page says it. */
  readonly proxy: string;
}
type Way = 'explicit' | 'transparent';

const API = 'https://api.example.com';
const TOKEN = 'tok_live_MatrixQ83hd7Wm2pXv91LtR5kA';
const ENVIRONMENT = 'environment';
const NODE = '/opt/bot-bottle/node';
const PYTHON = '/usr/bin/python3';
const LIBRARIES = '/usr/lib/python3/dist-packages';
const javascript = (client: string) => (way: Way) => `${NODE} client.mjs ${client} ${way}`;
const python = (library: string) => () => `${PYTHON} get.py ${library} ${API}/page`;

// prettier-ignore
const CLIENTS: readonly Client[] = [
  { name: 'curl, HTTP/1.1', needs: ['/usr/bin/curl'], proxy: ENVIRONMENT, says: /from the origin 1\.1/, command: () => `curl -sS --http1.1 -w ' %{http_version}' ${API}/page` },
  { name: 'curl, HTTP/2', needs: ['/usr/bin/curl'], proxy: ENVIRONMENT, says: /from the origin 2/, command: () => `curl -sS --http2 -w ' %{http_version}' ${API}/page` },
  { name: 'git clone', needs: ['/usr/bin/git'], proxy: ENVIRONMENT, says: /from the origin/, command: (way) => `git clone -q ${API}/repo.git ${way} && git -C ${way} log --format=%s` },
  { name: 'npm install', needs: ['/usr/bin/npm'], proxy: ENVIRONMENT, says: /added 1 package/, command: (way) => `npm install --no-audit --no-fund --no-update-notifier --cache ~/npm-${way} --prefix ~/${way} --registry ${API}/npm/ demo-package` },
  { name: 'pip install', needs: ['/usr/bin/pip3'], proxy: ENVIRONMENT, says: /Successfully installed demo-package-1\.0/, command: (way) => `/usr/bin/pip3 --disable-pip-version-check install --no-cache-dir --no-deps --target ~/${way} --index-url ${API}/pip demo-package` },
  { name: 'Node.js fetch', needs: [], proxy: '`NODE_USE_ENV_PROXY=1`', says: /from the origin/, command: (way) => `${way === 'explicit' ? 'NODE_USE_ENV_PROXY=1 ' : ''}${javascript('fetch')(way)}` },
  { name: 'Node.js https', needs: [], proxy: '`new https.Agent({ proxyEnv })`', says: /from the origin/, command: javascript('https') },
  { name: 'undici', needs: [], proxy: '`EnvHttpProxyAgent`', says: /from the origin/, command: javascript('undici') },
  { name: 'ws', needs: [], proxy: '`new https.Agent({ proxyEnv })`', says: /from the origin, by WebSocket/, command: javascript('ws') },
  { name: '@grpc/grpc-js', needs: [], proxy: ENVIRONMENT, says: /unary client-stream server-stream both-ways/, command: javascript('grpc') },
  { name: 'Python urllib', needs: [PYTHON], proxy: ENVIRONMENT, says: /from the origin/, command: python('urllib') },
  { name: 'Python requests', needs: [`${LIBRARIES}/requests`], proxy: ENVIRONMENT, says: /from the origin/, command: python('requests') },
  { name: 'Python httpx, HTTP/1.1', needs: [`${LIBRARIES}/httpx`], proxy: ENVIRONMENT, says: /from the origin HTTP\/1\.1/, command: python('httpx') },
  { name: 'Python httpx, HTTP/2', needs: [`${LIBRARIES}/httpx`, `${LIBRARIES}/h2`], proxy: ENVIRONMENT, says: /from the origin HTTP\/2/, command: python('httpx-h2') },
  { name: 'Go net/http', needs: ['/usr/bin/go'], proxy: ENVIRONMENT, says: /from the origin HTTP\/2\.0/, command: () => `go run get.go ${API}/page` },
  { name: 'Java HttpClient', needs: ['/usr/bin/java'], proxy: '`JAVA_TOOL_OPTIONS`', says: /from the origin HTTP_2/, command: (way) => `java Get.java ${API}/page ${way}` },
];

const PROXY_VARIABLES = ['http_proxy', 'https_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()]);
const WITHOUT_PROXY = `unset ${PROXY_VARIABLES.join(' ')}`;
const EntrySchema = z.looseObject({ entry: z.string(), decision: z.string(), host: z.string() });

describe('clients in a bottle trust its CA and get through, by the proxy and without it', () => {
  let directory = '';
  let origins: ClientOrigins;

  beforeAll(async () => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'client-matrix-'));
    origins = await startClientOrigins(directory);
    await bundleClient(path.join(directory, 'client.mjs'));
  });
  afterAll(async () => {
    await origins[Symbol.asyncDispose]();
    fs.rmSync(directory, { recursive: true });
  });

  it.for(CLIENTS)('$name', { timeout: 120_000 }, async ({ needs, command, says }, { skip }) => {
    const missing = needs.find((file) => !fs.existsSync(file));
    if (missing !== undefined) skip(`the host has no ${missing}`);
    using world = worldOf(directory, origins);
    // The bottle stays, with its record, because the command ends with something else than 0.
    const script = `(${command('explicit')}) 2>&1; echo; echo ---; ${WITHOUT_PROXY}; (${command('transparent')}) 2>&1; exit 1`;
    const ran = await world.run(['run', '--bottle', 'api', '--', 'sh', '-c', script], { env: { API_TOKEN: TOKEN } });
    const [explicit = '', transparent = ''] = ran.stdout.split('\n---\n');
    expect(explicit, ran.stderr).toMatch(says);
    expect(transparent, ran.stderr).toMatch(says);
    expect(await entriesOf(world)).toEqual(new Set(['connect allow', 'transparent-tls allow']));
  });

  it('the gRPC calls carried the credential that was put in', () => {
    expect(origins.credentials).toEqual(Array.from({ length: 8 }, () => `Bearer ${TOKEN}`));
  });
});

it('docs/clients.md lists these clients', () => {
  const page = fs.readFileSync(path.resolve('docs/clients.md'), 'utf8');
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  expect(rows.filter(([name]) => !/^-+$/.test(name ?? ''))).toEqual(
    CLIENTS.map(({ name, proxy }) => [name, 'yes', proxy, 'yes']),
  );
});

function worldOf(directory: string, { port, grpcPort }: ClientOrigins): World {
  const world = new World();
  const ca = path.join(world.home, 'upstream.pem');
  fs.writeFileSync(ca, upstreamCa.certificate);
  const resolve = { 'api.example.com:443': port, 'grpc.example.com:443': grpcPort };
  const lines = Object.entries(resolve).map(([name, at]) => `    '${name}': '127.0.0.1:${String(at)}'`);
  world.settings(`upstream:\n  extra_ca: [${ca}]\n  resolve:\n${lines.join('\n')}\n`);
  world.bottle(
    'api',
    `egress:
  routes:
    - host: api.example.com
      git: {fetch: true}
    - host: grpc.example.com
      auth: {scheme: Bearer, token_ref: API_TOKEN}`,
  );
  for (const name of ['get.py', 'get.go', 'Get.java'])
    fs.copyFileSync(path.resolve('test/e2e/fixtures', name), path.join(world.project, name));
  fs.copyFileSync(path.join(directory, 'client.mjs'), path.join(world.project, 'client.mjs'));
  return world;
}

async function entriesOf(world: World): Promise<ReadonlySet<string>> {
  const [slug = ''] = world.slugs();
  const { stdout } = await world.run(['logs', slug, '--decisions', '--json']);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return new Set(
    lines.map((line) => {
      const { entry, decision } = EntrySchema.parse(JSON.parse(line));
      return `${entry} ${decision}`;
    }),
  );
}

async function bundleClient(file: string): Promise<void> {
  await using bundler = await rolldown({ input: path.resolve('test/e2e/fixtures/client.ts'), platform: 'node' });
  await bundler.write({ file, format: 'esm', codeSplitting: false });
}
