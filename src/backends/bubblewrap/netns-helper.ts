/**
 * Runs alone in the bottle's fresh network namespace, before the bottle is there: binds the bundle's listeners, hands
 * them to the launcher over IPC and ends. The launcher then holds the only copies.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { BugError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { BUNDLE_ADDRESS, LISTENER_PORTS, LISTENER_ROLES, type ListenerRole } from '../../schema/plan.ts';

const BACKLOG = 511;

function giveUp(): never {
  process.exit(1);
}

async function bind(role: ListenerRole): Promise<unknown> {
  const port = LISTENER_PORTS[role];
  if (role === 'dns-udp') {
    const socket = dgram.createSocket('udp4');
    socket.bind({ port, address: BUNDLE_ADDRESS, exclusive: true });
    await once(socket, 'listening');
    return rawHandle(socket);
  }
  const server = net.createServer();
  server.listen({ port, host: BUNDLE_ADDRESS, backlog: BACKLOG, exclusive: true });
  await once(server, 'listening');
  return rawHandle(server);
}

/** The bare handle travels without anybody beginning to accept or receive on the other side. */
function rawHandle(owner: object): unknown {
  for (const holder of [owner, ...symbolsOf(owner)]) {
    const handle: unknown = Reflect.get(holder, '_handle') ?? Reflect.get(holder, 'handle');
    if (typeof handle === 'object' && handle !== null) return handle;
  }
  throw new BugError('this Node keeps its socket handles somewhere else');
}

/** Datagram sockets keep theirs in a state object below a symbol. */
function symbolsOf(owner: object): readonly object[] {
  return Object.getOwnPropertySymbols(owner)
    .map((symbol): unknown => Reflect.get(owner, symbol))
    .filter((value): value is object => typeof value === 'object' && value !== null);
}

async function send(message: object, handle: unknown): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const done = (failure: Error | null): void => {
    if (failure === null) resolve(undefined);
    else reject(failure);
  };
  if (process.send === undefined) throw new BugError('started without a channel to the launcher');
  Reflect.apply(process.send.bind(process), process, [message, handle, { keepOpen: false }, done]);
  await promise;
}

// Without a launcher nobody takes the listeners, which would keep this process, and with it the namespace, for ever. It
// may have gone before anybody could listen for that, or in a way that shows as nothing but silence.
process.once('disconnect', giveUp);
if (!process.connected) giveUp();
setTimeout(giveUp, LIMITS.readyTimeoutMs).unref();
const wanted = process.argv[2]?.split(',') ?? [];
for (const role of LISTENER_ROLES.filter((name) => wanted.includes(name))) await send({ role }, await bind(role));
process.exit(0);
