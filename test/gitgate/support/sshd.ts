import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { findExecutable } from '../../../scripts/system-packages.ts';

export const SSHD = findExecutable('sshd');

/** A real sshd of the test's own, for the user that runs the test. */
export interface TestSshd extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  readonly hostKey: string;
  /** A private key that it lets in. */
  readonly key: string;
  /** One that it does not know. */
  readonly strangersKey: string;
  /** Another host's key. */
  readonly otherHostKey: string;
}

export async function startSshd(): Promise<TestSshd> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bb-sshd-'));
  const keyOf = (name: string): { readonly secret: string; readonly open: string } => {
    const file = path.join(directory, name);
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
    return { secret: fs.readFileSync(file, 'utf8'), open: fs.readFileSync(`${file}.pub`, 'utf8').trim() };
  };
  const host = keyOf('host');
  const own = keyOf('own');
  const stranger = keyOf('stranger');
  const other = keyOf('other');
  const authorized = path.join(directory, 'authorized');
  fs.writeFileSync(authorized, `${own.open}\n`, { mode: 0o600 });
  const port = await freePort();
  const config = path.join(directory, 'sshd_config');
  fs.writeFileSync(
    config,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${path.join(directory, 'host')}`,
      `AuthorizedKeysFile ${authorized}`,
      `PidFile ${path.join(directory, 'pid')}`,
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UsePAM no',
      'StrictModes no',
      'PermitRootLogin yes',
      'LogLevel ERROR',
      '',
    ].join('\n'),
  );
  if (process.getuid?.() === 0) fs.mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const child = spawn(SSHD ?? 'sshd', ['-D', '-e', '-f', config], { stdio: 'ignore', detached: false });
  await answering(port, child);
  return {
    port,
    user: os.userInfo().username,
    hostKey: host.open,
    key: own.secret,
    strangersKey: stranger.secret,
    otherHostKey: other.open,
    [Symbol.asyncDispose]: async () => {
      const ended = child.exitCode === null ? once(child, 'close') : null;
      child.kill('SIGTERM');
      await ended;
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error('sshd ended at once');
    const socket = net.connect(port, '127.0.0.1');
    const up = await new Promise((resolve) => {
      socket.once('connect', () => {
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    socket.destroy();
    if (up === true) return;
  }
}
