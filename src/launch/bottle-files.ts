import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { findProgram } from '../bundle/host-facts.ts';
import { BottleError } from '../kernel/errors.ts';
import { javaTrustStore } from '../platform/java-trust-store.ts';
import { INSIDE, type BottlePlan } from '../schema/plan.ts';
import type { BottlePaths } from '../state/paths.ts';
import { BOXED_TREE, runInTree } from './tree-box.ts';

/** The bottle's home, as the provider wants it; written before the agent's first instruction, never after (S1). */
export function writeHome(plan: BottlePlan, paths: BottlePaths): void {
  for (const file of plan.files) {
    const relative = path.posix.relative(INSIDE.home, file.path);
    if (relative === '' || relative.startsWith('..')) {
      throw new BottleError('launch_failed', { message: `${file.path} is not below the bottle's home` });
    }
    const target = path.join(paths.home, relative);
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
    fs.writeFileSync(target, file.content, { mode: file.mode });
  }
}

/**
 * What the bottle trusts: our CA alone, for everything it reaches comes through the gateway. The bundle beside it also
 * holds the public roots, for programs that check the system's store for familiar names.
 */
export function writeTrust(caCertificate: string, paths: BottlePaths): void {
  fs.mkdirSync(paths.ours, { recursive: true, mode: 0o755 });
  const write = (inside: string, content: string | Buffer): void => {
    fs.writeFileSync(path.join(paths.ours, path.posix.basename(inside)), content, { mode: 0o644 });
  };
  write(INSIDE.caFile, caCertificate);
  write(INSIDE.caBundle, [caCertificate, ...tls.rootCertificates].join('\n'));
  write(INSIDE.javaTrustStore, javaTrustStore(caCertificate));
}

/** What the workspace is mounted on, whatever the agent made of it. */
const MOUNT_POINT = 'W="$HOME/workspace"; if [ -L "$W" ] || [ ! -d "$W" ]; then rm -rf "$W"; mkdir "$W"; fi';

/**
 * On a resume the home is the agent's: what is ours in it is written anew inside a box, as the agent's user, where a link
 * that it laid leads nowhere that matters (SECURITY S1).
 */
export async function refreshHome(plan: BottlePlan, paths: BottlePaths): Promise<void> {
  const certutil = findProgram('certutil');
  const trust =
    certutil === null
      ? []
      : [`[ -d "$HOME/.pki/nssdb" ] && certutil -A -n bot-bottle -t C,, -i /ca.pem -d "sql:$HOME/.pki/nssdb"; true`];
  const files = plan.files.map(({ mode }, index) => {
    const [file, content] = [`"$F${String(index)}"`, `"$C${String(index)}"`];
    return `mkdir -p "$(dirname ${file})" && rm -f ${file} && printf %s ${content} > ${file} && chmod ${mode.toString(8)} ${file}`;
  });
  const { status, stderr } = await runInTree(
    {
      argv: ['/bin/sh', '-c', ['set -e', 'umask 077', MOUNT_POINT, ...files, ...trust].join('\n')],
      show: [
        { source: paths.home, inside: BOXED_TREE.home, access: 'rw' },
        { source: path.join(paths.ours, path.posix.basename(INSIDE.caFile)), inside: '/ca.pem', access: 'ro' },
      ],
      env: {
        HOME: INSIDE.home,
        ...Object.fromEntries(
          plan.files.flatMap((file, index) => [
            [`F${String(index)}`, file.path],
            [`C${String(index)}`, file.content],
          ]),
        ),
      },
    },
    paths,
  );
  if (status === 0) return;
  throw new BottleError('launch_failed', { message: `the bottle's home can't be written anew: ${stderr.trim()}` });
}

const run = promisify(execFile);
const CERTUTIL_TIMEOUT_MS = 10_000;

/**
 * Chromium and its kin trust only an NSS database in the home. NSS's own tool writes it, where the host has that tool
 * (`libnss3-tools`); without it, browsers in the bottle are the only programs that don't know the CA. Answers whether
 * it was written.
 */
export async function writeNssDatabase(paths: BottlePaths): Promise<boolean> {
  const certutil = findProgram('certutil');
  if (certutil === null) return false;
  const directory = path.join(paths.home, '.pki', 'nssdb');
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = ['-d', `sql:${directory}`];
  const certificate = path.join(paths.ours, path.posix.basename(INSIDE.caFile));
  await runCertutil(certutil, ['-N', '--empty-password', ...database]);
  await runCertutil(certutil, ['-A', '-n', 'bot-bottle', '-t', 'C,,', '-i', certificate, ...database]);
  return true;
}

async function runCertutil(certutil: string, args: readonly string[]): Promise<void> {
  try {
    await run(certutil, args, { env: {}, timeout: CERTUTIL_TIMEOUT_MS });
  } catch (failure) {
    const { message } = failure instanceof Error ? failure : { message: String(failure) };
    throw new BottleError('launch_failed', { message: `certutil could not be run: ${message.trim()}`, cause: failure });
  }
}

/** What a killed resume, or a killed look into a preserved bottle, has left there goes: who holds the lock is alone. */
export function makeRuntime(paths: BottlePaths, callersNonce: string): void {
  fs.rmSync(paths.runtime, { recursive: true, force: true });
  fs.mkdirSync(paths.runtime, { mode: 0o711 });
  fs.mkdirSync(paths.control, { mode: 0o700 });
  fs.writeFileSync(path.join(paths.runtime, 'control.nonce'), callersNonce, { mode: 0o600 });
}
