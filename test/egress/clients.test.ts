import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bottleCa, startHarness, type Harness } from './support/harness.ts';
import { answering, startOrigin, type Origin } from './support/origin.ts';

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let directory = '';
let origin: Origin;
let gitOrigin: Origin;
let harness: Harness;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bot-bottle-clients-'));
  writeFileSync(join(directory, 'ca.pem'), bottleCa.certificate);
  await run('git', ['init', '-q', '-b', 'main', join(directory, 'served')]);
  await run('git', [
    '-C',
    join(directory, 'served'),
    '-c',
    'user.name=a',
    '-c',
    'user.email=a@b',
    'commit',
    '-q',
    '--allow-empty',
    '-m',
    'first',
  ]);
  origin = await startOrigin(answering('from the upstream'));
  gitOrigin = await startGitOrigin(join(directory, 'served'));
  harness = await startHarness({
    routes: [
      { host: 'api.example.com' },
      { host: 'fetch.example.com', git: { fetch: true } },
      { host: 'nogit.example.com' },
    ],
    origins: {
      'api.example.com:443': origin,
      'api.example.com:80': origin,
      'fetch.example.com:443': gitOrigin,
      'nogit.example.com:443': gitOrigin,
    },
  });
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await gitOrigin[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const options = {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: directory,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_TERMINAL_PROMPT: '0',
        ...env,
      },
      timeout: 30_000,
    };
    execFile(command, args, options, (failure, stdout, stderr) => {
      const code = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** The environment of a program in a bottle. */
function inside(): Record<string, string> {
  const proxy = `http://127.0.0.1:${String(harness.port('proxy'))}`;
  const ca = join(directory, 'ca.pem');
  return { https_proxy: proxy, http_proxy: proxy, CURL_CA_BUNDLE: ca, GIT_SSL_CAINFO: ca };
}

/** git's own server programs behind TLS: the real protocol at the other end. */
function startGitOrigin(repository: string): Promise<Origin> {
  return startOrigin(
    (request, response) => {
      const url = new URL(request.url ?? '', 'https://x');
      const service = url.pathname.endsWith('/info/refs')
        ? url.searchParams.get('service')
        : url.pathname.split('/').at(-1);
      const advertise = url.pathname.endsWith('/info/refs');
      if (service !== 'git-upload-pack' && service !== 'git-receive-pack') {
        response.writeHead(404).end();
        return;
      }
      const child = spawn(
        'git',
        [service.slice(4), '--stateless-rpc', ...(advertise ? ['--advertise-refs'] : []), repository],
        {
          env: { PATH: process.env['PATH'], GIT_PROTOCOL: request.headers['git-protocol']?.toString() ?? '' },
          stdio: ['pipe', 'pipe', 'ignore'],
        },
      );
      response.writeHead(200, { 'content-type': `application/x-${service}-${advertise ? 'advertisement' : 'result'}` });
      if (advertise) response.write(`001e# service=${service}\n0000`);
      child.stdout.pipe(response);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      // git may have its answer before it has read all: then nobody reads the rest.
      child.stdin.on('error', () => undefined);
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        child.stdin.end(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
      });
    },
    { name: '*.example.com' },
  );
}

describe('curl', () => {
  it.each([
    { args: ['https://api.example.com/x'], stdout: 'from the upstream' },
    { args: ['--data', 'a=b', 'https://api.example.com/x'], stdout: 'from the upstream' },
    {
      args: ['-H', 'Expect: 100-continue', '--data', 'x'.repeat(5000), 'https://api.example.com/x'],
      stdout: 'from the upstream',
    },
    { args: ['https://api.example.com/1', 'https://api.example.com/2'], stdout: 'from the upstreamfrom the upstream' },
  ])('$args', async ({ args, stdout }) => {
    expect(await run('curl', ['-sS', '--max-time', '20', ...args], inside())).toMatchObject({ code: 0, stdout });
  });

  it('shows why a host is refused', async () => {
    const refused = await run('curl', ['-v', '-sS', '--max-time', '20', 'https://paste.example.org/'], inside());
    expect(refused.code).toBe(56);
    expect(refused.stderr).toContain('x-bot-bottle-reason: no_route');
    expect(refused.stderr).toContain('403');
  });

  it('a program that knows no proxy gets through by the name that DNS gives it', async () => {
    const port = String(harness.port('tls'));
    const args = [
      '-sS',
      '--max-time',
      '20',
      '--connect-to',
      `api.example.com:443:127.0.0.1:${port}`,
      'https://api.example.com/',
    ];
    expect(await run('curl', args, { CURL_CA_BUNDLE: join(directory, 'ca.pem') })).toMatchObject({
      code: 0,
      stdout: 'from the upstream',
    });
  });
});

describe('H14 git', () => {
  it('fetches where the route says so', async () => {
    const clone = join(directory, 'clone');
    expect(await run('git', ['clone', '-q', 'https://fetch.example.com/acme/web.git', clone], inside())).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await run('git', ['-C', clone, 'log', '--format=%s'])).stdout).toBe('first\n');
  });

  it('does not fetch elsewhere', async () => {
    const refused = await run(
      'git',
      ['clone', '-q', 'https://nogit.example.com/acme/web.git', join(directory, 'none')],
      inside(),
    );
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('403');
  });

  it('G-PUSH H14 never pushes, not even where it may fetch', async () => {
    const served = join(directory, 'served');
    const before = (await run('git', ['-C', served, 'for-each-ref'])).stdout;
    const refused = await run(
      'git',
      ['-C', served, 'push', 'https://fetch.example.com/acme/web.git', 'HEAD:refs/heads/new'],
      inside(),
    );
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('403');
    expect((await run('git', ['-C', served, 'for-each-ref'])).stdout).toBe(before);
    expect(harness.record.lines.some((line) => line.includes('"reason":"git_push"'))).toBe(true);
  });
});
