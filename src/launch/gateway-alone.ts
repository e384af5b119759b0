import fs from 'node:fs';
import path from 'node:path';
import type { BundleExit } from '../bundle/broker.ts';
import { BottleError } from '../kernel/errors.ts';
import { ignoreUnlessAwaited } from '../kernel/promises.ts';
import { Scope } from '../kernel/scope.ts';
import type { Secret } from '../kernel/secret.ts';
import { bracketed, isLoopbackHost } from '../policy/host.ts';
import type { HeldProgram } from '../platform/assets.ts';
import { holdListener, type HeldListener } from '../platform/host-listener.ts';
import { setPlainUmask } from '../platform/processes.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { BottlePlan } from '../schema/plan.ts';
import { Journal } from '../state/journal.ts';
import { tryLock } from '../state/lock.ts';
import { bottlePaths, ensureOwnDirectory, ensurePrivateDirectory, type HomePaths } from '../state/paths.ts';
import type { AllocateUid } from './bottle.ts';
import { startBottleBundle } from './bundle.ts';
import { watchPeers } from './peer-watch.ts';
import { prepareHandover } from './handover.ts';

/** The egress gateway without a bottle: the same process in the same box, with a listener in the host's own network. */
export interface GatewayAloneOptions {
  readonly plan: Pick<BottlePlan, 'slug' | 'gateway' | 'credentials' | 'command'>;
  readonly program: HeldProgram;
  readonly paths: HomePaths;
  readonly values: ReadonlyMap<string, Secret>;
  readonly userName: string;
  /** `user:password` for the upstream proxy of the settings. */
  readonly upstreamLogin?: Secret | null;
  /** Begun before the plan was made: `openGatewayListener`. */
  readonly listener: Promise<HeldListener>;
  /** `--auth`: a random user and password in the proxy URL. */
  readonly auth: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly allocateUid: AllocateUid | null;
}

export interface GatewayAlone extends AsyncDisposable {
  readonly slug: string;
  /** Proxy URL, with user and password when there are such. */
  readonly proxy: string;
  readonly ca: string;
  readonly control: string;
  /** Stand-ins of the values that routes name under `placeholders`, by variable. */
  readonly env: Readonly<Record<string, string>>;
  readonly notices: readonly string[];
  readonly ended: Promise<BundleExit>;
  /** Resolves once the records are being told; across restarts of the gateway. */
  onDecision(listener: (record: unknown) => void): Promise<void>;
}

/** Without `auth` only loopback is listened on. */
export function openGatewayListener(
  listen: { readonly host: string; readonly port: number },
  { auth }: { readonly auth: boolean },
): Promise<HeldListener> {
  if (!auth && !isLoopbackHost(listen.host)) {
    throw new BottleError('usage', {
      message: `--listen ${listen.host} is open to others, who could use the bottle's credentials`,
      hint: 'add --auth, or listen on 127.0.0.1',
    });
  }
  const listener = holdListener(listen);
  listener.catch(ignoreUnlessAwaited);
  return listener;
}

export async function startGatewayAlone(options: GatewayAloneOptions): Promise<GatewayAlone> {
  setPlainUmask();
  const paths = bottlePaths(options.paths, options.plan.slug);
  const proxyAuth = options.auth ? { user: 'bottle', password: randomHex(options.random, 16) } : undefined;
  const handover = prepareHandover({ ...options, ...(proxyAuth === undefined ? {} : { proxyAuth }) });
  const scope = new Scope();
  try {
    openDirectories(options.paths, paths, scope);
    fs.writeFileSync(path.join(paths.runtime, 'control.nonce'), handover.callersNonce, { mode: 0o600 });
    options.program.layOut(paths.program);
    const ca = path.join(paths.root, 'ca.pem');
    fs.writeFileSync(ca, handover.caCertificate, { mode: 0o644 });
    const listener = await options.listener;
    const { bundle, serveControl } = await startBottleBundle({
      options,
      paths,
      handover,
      listeners: [{ role: 'proxy', fd: listener.fd }],
      closeListeners: () => {
        listener.close();
      },
      ...(options.auth ? {} : { peers: watchPeers(paths.runtime, scope) }),
      scope,
    });
    await bundle.ready;
    const control = await serveControl();
    return {
      slug: options.plan.slug,
      proxy: proxyUrl(listener, proxyAuth),
      ca,
      control: control.path,
      env: handover.standIns,
      notices: handover.notices,
      ended: bundle.ended,
      onDecision: (onRecord) => control.onDecision(onRecord),
      [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
    };
  } catch (failure) {
    await scope[Symbol.asyncDispose]();
    throw failure;
  }
}

function openDirectories(home: HomePaths, paths: ReturnType<typeof bottlePaths>, scope: Scope): void {
  ensureOwnDirectory(home.home);
  for (const directory of [home.stateRoot, home.runtimeRoot]) ensurePrivateDirectory(directory);
  for (const directory of [paths.root, paths.runtime]) {
    fs.mkdirSync(directory, { mode: 0o711 });
    scope.defer(directory, () => {
      fs.rmSync(directory, { recursive: true, force: true });
    });
  }
  fs.mkdirSync(paths.control, { mode: 0o700 });
  const lock = tryLock(paths.lock, 2_000);
  const journal = new Journal(paths.journal);
  scope.defer('journal', () => {
    journal[Symbol.dispose]();
    lock?.[Symbol.dispose]();
  });
  journal.append({
    step: 'gateway',
    detail: { directory: paths.root, runtime: paths.runtime, launcherPid: process.pid },
  });
}

function proxyUrl(
  listener: HeldListener,
  auth: { readonly user: string; readonly password: string } | undefined,
): string {
  const userInfo = auth === undefined ? '' : `${auth.user}:${auth.password}@`;
  return `http://${userInfo}${bracketed(listener.host)}:${String(listener.port)}`;
}

function randomHex(random: Random, bytes: number): string {
  return Buffer.from(random.bytes(bytes)).toString('hex');
}
