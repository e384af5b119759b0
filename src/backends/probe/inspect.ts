import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { BUNDLE_ADDRESS, LISTENER_PORTS } from '../../schema/plan.ts';
import type { Questions } from './frames.ts';

/** One attempt from inside: what should have happened, what did. */
export interface InsideCheck {
  readonly id: string;
  readonly expected: string;
  readonly seen: string;
  readonly held: boolean;
}

/** Every attempt there is; a report that lacks one is no proof. */
export const INSIDE_IDS = [
  'loopback-only',
  'outside-unreachable',
  'dns-outside-unreachable',
  'judges-unreachable',
  'core-pattern-closed',
  'system-read-only',
  'host-files-absent',
  'seccomp-inside',
  'capabilities-inside',
  'own-processes-only',
  'own-sockets-only',
  'gateway-answers',
] as const;

/** Documentation addresses: nobody is there, so only a missing route explains an answer at once. */
const OUTSIDE = [
  { host: '192.0.2.1', port: 443 },
  { host: '198.51.100.1', port: 80 },
  { host: '2001:db8::1', port: 443 },
];
const DNS_OUTSIDE = { host: '192.0.2.53', port: 53 };
const ATTEMPT_MS = 1_500;
const NO_ROUTE = /^(?:ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)$/;
const NOBODY_THERE = /^(?:ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT|ECONNREFUSED|ENOENT)$/;

export async function inspectWalls(questions: Questions): Promise<readonly InsideCheck[]> {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const [outside, dns, judges, gateway] = await Promise.all([
    attempts('outside-unreachable', OUTSIDE.map(connect), NO_ROUTE),
    attempts('dns-outside-unreachable', [sendDatagram(DNS_OUTSIDE)], NO_ROUTE),
    attempts('judges-unreachable', questions.judges.map(knock), NOBODY_THERE),
    askGateway(questions.nonce),
  ]);
  return [
    loopbackOnly(),
    outside,
    dns,
    judges,
    corePattern(),
    systemReadOnly(),
    absent(questions.absent),
    fieldCheck('seccomp-inside', status, { Seccomp: '2', NoNewPrivs: '1' }),
    fieldCheck('capabilities-inside', status, noCapabilities()),
    ownProcesses(),
    ownSockets(),
    gateway,
  ];
}

function check(id: (typeof INSIDE_IDS)[number], expected: string, seen: readonly string[]): InsideCheck {
  return { id, expected, seen: seen.length === 0 ? expected : seen.join(', '), held: seen.length === 0 };
}

function loopbackOnly(): InsideCheck {
  const others = Object.keys(os.networkInterfaces()).filter((name) => name !== 'lo');
  const routes = fs.readFileSync('/proc/net/route', 'utf8').trim().split('\n').slice(1);
  return check('loopback-only', 'no interface but lo, no route', [...others, ...routes]);
}

/** All must have failed for the reason that only a wall gives; running out of time is no such reason. */
async function attempts(
  id: (typeof INSIDE_IDS)[number],
  outcomes: readonly Promise<Outcome>[],
  walled: RegExp,
): Promise<InsideCheck> {
  const open = (await Promise.all(outcomes)).filter(({ code }) => !walled.test(code));
  return check(
    id,
    'not reachable',
    open.map(({ target, code }) => `${target}: ${code}`),
  );
}

interface Outcome {
  readonly target: string;
  readonly code: string;
}
interface Address {
  readonly host: string;
  readonly port: number;
}

function connect(options: Address | { readonly path: string }): Promise<Outcome> {
  const target = 'path' in options ? options.path.replace('\0', '@') : `${options.host} ${String(options.port)}`;
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const socket = net.connect(options);
  const end = (code: string): void => {
    socket.destroy();
    resolve({ target, code });
  };
  socket.setTimeout(ATTEMPT_MS, () => {
    end('no answer');
  });
  socket.once('connect', () => {
    end('connected');
  });
  socket.once('error', (failure) => {
    end(codeOf(failure));
  });
  return promise;
}

function sendDatagram({ host, port }: Address): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
  const end = (code: string): void => {
    resolve({ target: `udp ${host} ${String(port)}`, code });
  };
  socket.once('error', (failure) => {
    end(codeOf(failure));
  });
  socket.connect(port, host, (failure?: Error) => {
    if (failure !== undefined) {
      end(codeOf(failure));
      return;
    }
    socket.send('probe', (sendFailure) => {
      end(sendFailure === null ? 'sent' : codeOf(sendFailure));
    });
  });
  return promise.finally(() => {
    socket.close();
  });
}

/** A datagram to a loopback address that is ours always leaves; who gets it is what its judge tells. */
async function knock(judge: string): Promise<Outcome> {
  const [kind, host = '', port = '0'] = judge.split(' ');
  if (kind === 'unix') return connect({ path: `\0${host}` });
  if (kind === 'tcp') return connect({ host, port: Number(port) });
  const sent = await sendDatagram({ host, port: Number(port) });
  return sent.code === 'sent' ? { target: sent.target, code: 'ECONNREFUSED' } : sent;
}

/** Refused is enough here, for whichever reason comes first; that it is read-only is read from the mount table outside. */
function corePattern(): InsideCheck {
  const file = '/proc/sys/kernel/core_pattern';
  try {
    fs.closeSync(fs.openSync(file, 'r+'));
    return check('core-pattern-closed', 'refused', [`${file} opened for writing`]);
  } catch (failure) {
    const code = codeOf(failure);
    return check('core-pattern-closed', 'refused', /^(?:EROFS|EACCES|EPERM)$/.test(code) ? [] : [`${file}: ${code}`]);
  }
}

function systemReadOnly(): InsideCheck {
  const places = ['/', '/usr', '/etc', '/opt/bot-bottle'];
  return check(
    'system-read-only',
    'read-only',
    places.flatMap((place) => openForWriting(`${place}/.probe`, 'wx')),
  );
}

/** Empty when the file system itself said no, which no permission bit could change. */
function openForWriting(file: string, flags: string): readonly string[] {
  try {
    fs.closeSync(fs.openSync(file, flags));
    return [`${file} opened for writing`];
  } catch (failure) {
    const code = codeOf(failure);
    return code === 'EROFS' ? [] : [`${file}: ${code}`];
  }
}

function absent(paths: readonly string[]): InsideCheck {
  const there = paths.filter((path) => !isAbsent(path));
  // Sockets of the host's services, whatever they are called.
  const running = fs.readdirSync('/run').map((name) => `/run/${name}`);
  return check('host-files-absent', 'absent', [...there, ...running]);
}

/** What can't be looked at is there. */
function isAbsent(path: string): boolean {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch (failure) {
    if (codeOf(failure) === 'EACCES') return false;
    throw failure;
  }
}

function noCapabilities(): Readonly<Record<string, string>> {
  return Object.fromEntries(['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => [`Cap${set}`, '0000000000000000']));
}

function fieldCheck(
  id: (typeof INSIDE_IDS)[number],
  status: string,
  wanted: Readonly<Record<string, string>>,
): InsideCheck {
  const expected = Object.entries(wanted).map(([name, value]) => `${name} ${value}`);
  const wrong = Object.entries(wanted).flatMap(([name, value]) => {
    const seen = new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? 'missing';
    return seen === value ? [] : [`${name} ${seen}`];
  });
  return check(id, expected.join(', '), wrong);
}

/** bubblewrap's own first process and this one. */
function ownProcesses(): InsideCheck {
  const others = fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== '1' && name !== String(process.pid));
  return check(
    'own-processes-only',
    'no other process',
    others.map((pid) => `pid ${pid}`),
  );
}

/** The kernel's list of unix sockets in this network namespace, abstract ones with them. */
function ownSockets(): InsideCheck {
  const lines = fs.readFileSync('/proc/net/unix', 'utf8').trim().split('\n').slice(1);
  const named = lines.flatMap((line) => line.split(/\s+/)[7] ?? []);
  return check('own-sockets-only', 'no named socket', named);
}

function askGateway(nonce: string): Promise<InsideCheck> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = net.connect({ host: BUNDLE_ADDRESS, port: LISTENER_PORTS.proxy });
  let answer = '';
  socket.setTimeout(ATTEMPT_MS * 4, () => {
    resolve('no answer');
  });
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
    if (answer.includes('\r\n')) resolve(answer.split('\r\n')[0] ?? '');
  });
  socket.once('error', (failure) => {
    resolve(codeOf(failure));
  });
  socket.once('close', () => {
    resolve(answer === '' ? 'closed' : answer);
  });
  socket.write(
    `GET http://_egress.local/probe?nonce=${nonce} HTTP/1.1\r\nHost: _egress.local\r\nConnection: close\r\n\r\n`,
  );
  return promise.then((seen) => {
    socket.destroy();
    const held = /^HTTP\/1\.[01] 20[04]/.test(seen);
    return { id: 'gateway-answers', expected: 'the gateway answers the nonce', seen: seen.slice(0, 100), held };
  });
}

function codeOf(failure: unknown): string {
  return failure instanceof Error && 'code' in failure ? String(failure.code) : String(failure);
}
