import { createHash } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import { WebSocketServer } from 'ws';
import { mintFor } from '../../egress/support/origin.ts';

/** What the clients of the matrix talk to: pages, two package registries, a git server, WebSockets, gRPC calls. */
export interface ClientOrigins extends AsyncDisposable {
  readonly port: number;
  readonly grpcPort: number;
  /** The credential that each gRPC call came with. */
  readonly credentials: readonly string[];
}

const PAGE = 'from the origin';

export async function startClientOrigins(directory: string): Promise<ClientOrigins> {
  const packages = makePackages(directory);
  const repository = makeRepository(directory);
  const { certificate, key } = mintFor('api.example.com');
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const url = new URL(request.url ?? '', 'https://api.example.com');
    const found = packages.get(url.pathname);
    if (url.pathname.startsWith('/repo.git/')) serveGit(repository, url, request, response);
    else if (found === undefined && url.pathname !== '/page') response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'text/html' }).end(found ?? PAGE);
  });
  const sockets = new WebSocketServer({ server, path: '/echo' });
  sockets.on('connection', (socket) => {
    socket.on('message', (data: Buffer, binary) => {
      socket.send(data, { binary });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const calls = await startGrpc();
  return {
    port: (server.address() as AddressInfo).port,
    grpcPort: calls.port,
    credentials: calls.credentials,
    async [Symbol.asyncDispose]() {
      calls.server.forceShutdown();
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One package for npm and one for pip, by the paths that their clients ask for. */
function makePackages(directory: string): ReadonlyMap<string, string | Buffer> {
  const source = path.join(directory, 'npm', 'package');
  fs.mkdirSync(source, { recursive: true });
  const manifest = { name: 'demo-package', version: '1.0.0' };
  fs.writeFileSync(path.join(source, 'package.json'), JSON.stringify(manifest));
  const tarball = execFileSync('tar', ['-C', path.dirname(source), '-cz', 'package']);
  const dist = {
    tarball: 'https://api.example.com/npm/demo-package-1.0.0.tgz',
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
  };
  const listing = {
    name: 'demo-package',
    'dist-tags': { latest: '1.0.0' },
    versions: { '1.0.0': { ...manifest, dist } },
  };
  const wheel = 'demo_package-1.0-py3-none-any.whl';
  return new Map<string, string | Buffer>([
    ['/npm/demo-package', JSON.stringify(listing)],
    ['/npm/demo-package-1.0.0.tgz', tarball],
    ['/pip/demo-package/', `<!DOCTYPE html><a href="/pip/${wheel}">${wheel}</a>`],
    [`/pip/${wheel}`, makeWheel(directory, wheel)],
  ]);
}

const WHEEL_PY = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    info = 'demo_package-1.0.dist-info/'
    wheel.writestr('demo_package.py', 'NAME = "demo"')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: demo-package\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
`;

function makeWheel(directory: string, name: string): Buffer {
  const file = path.join(directory, name);
  // Without Python there is no pip to ask for it.
  if (!fs.existsSync('/usr/bin/python3')) return Buffer.alloc(0);
  execFileSync('/usr/bin/python3', ['-c', WHEEL_PY, file]);
  return fs.readFileSync(file);
}

function makeRepository(directory: string): string {
  const repository = path.join(directory, 'served');
  const git = (...args: readonly string[]): void => {
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { stdio: 'ignore' });
  };
  git('init', '-b', 'main', repository);
  git('-C', repository, 'commit', '--allow-empty', '-m', PAGE);
  return repository;
}

/** git's own server program, asked over HTTP (https://git-scm.com/docs/http-protocol). */
function serveGit(repository: string, url: URL, request: IncomingMessage, response: ServerResponse): void {
  const advertise = url.pathname.endsWith('/info/refs');
  const args = ['upload-pack', '--stateless-rpc', ...(advertise ? ['--advertise-refs'] : []), repository];
  const env = { PATH: process.env['PATH'], GIT_PROTOCOL: request.headers['git-protocol']?.toString() ?? '' };
  const child = spawn('git', args, { env, stdio: ['pipe', 'pipe', 'ignore'] });
  response.writeHead(200, {
    'content-type': `application/x-git-upload-pack-${advertise ? 'advertisement' : 'result'}`,
  });
  if (advertise) response.write('001e# service=git-upload-pack\n0000');
  child.stdout.pipe(response);
  child.stdin.on('error', () => undefined);
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    child.stdin.end(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
  });
}

const bytes = (value: Buffer): Buffer => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const SERVICE = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  list: method('List', false, true),
  chat: method('Chat', true, true),
};

async function startGrpc(): Promise<{
  readonly server: grpc.Server;
  readonly port: number;
  readonly credentials: readonly string[];
}> {
  const credentials: string[] = [];
  const server = new grpc.Server();
  const note = (call: { readonly metadata: grpc.Metadata }): void => {
    credentials.push(String(call.metadata.get('authorization')[0]));
  };
  server.addService(SERVICE, {
    unary(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      note(call);
      done(null, call.request);
    },
    collect(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      note(call);
      const parts: Buffer[] = [];
      call.on('data', (part: Buffer) => parts.push(part));
      call.on('end', () => {
        done(null, Buffer.concat(parts));
      });
    },
    list(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      note(call);
      for (const part of call.request.toString().split(',')) call.write(Buffer.from(part));
      call.end();
    },
    chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      note(call);
      call.on('data', (part: Buffer) => call.write(part));
      call.on('end', () => {
        call.end();
      });
    },
  });
  const { certificate, key } = mintFor('grpc.example.com');
  const pair = { cert_chain: Buffer.from(certificate), private_key: Buffer.from(key) };
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createSsl(null, [pair]), (failure, bound) => {
      if (failure === null) resolve(bound);
      else reject(failure);
    });
  });
  return { server, port, credentials };
}
