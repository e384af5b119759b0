import fs from 'node:fs';
import path from 'node:path';
import { boxProcess } from '../bundle/box.ts';
import { startBundle, type RunningBundle } from '../bundle/broker.ts';
import { BOXED } from '../bundle/sandbox.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Secret } from '../kernel/secret.ts';
import { heldPath } from '../platform/assets.ts';
import { endTornLine } from '../platform/record-file.ts';
import { systemClock } from '../platform/clock.ts';
import type { BottleListener } from '../ports/backend.ts';
import type { GatewaySecrets } from '../schema/gateway-config.ts';
import type { BottlePlan } from '../schema/plan.ts';
import type { BottlePaths, HomePaths } from '../state/paths.ts';
import { ProposalQueue } from '../supervise/queue.ts';
import { standingGrants } from './approvals.ts';
import { keepAudit } from './audit.ts';
import type { AllocateUid } from './bottle.ts';
import { granted, serveControl, type BundleControl } from './control.ts';
import { gateService } from './git-gate.ts';
import { egressDocument, type Handover } from './handover.ts';
import type { PeerDescriptors } from './peer-watch.ts';
import { superviseService } from './supervise.ts';

/** The bundle of one bottle, or of the gateway alone: sandboxes planned, descriptors opened, processes started. */
export interface BottleBundleParts {
  readonly options: {
    readonly plan: Pick<BottlePlan, 'gateway'> & Partial<Pick<BottlePlan, 'repos'>>;
    readonly userName: string;
    /** Credentials of the git gate's upstreams among them. */
    readonly values?: ReadonlyMap<string, Secret>;
    readonly allocateUid: AllocateUid | null;
    readonly paths: HomePaths;
  };
  readonly paths: BottlePaths;
  readonly handover: Handover;
  readonly listeners: readonly BottleListener[];
  readonly closeListeners: () => void;
  /** For listeners on the host; a bottle's own are in its namespace, where there is nobody else. */
  readonly peers?: PeerDescriptors;
  readonly scope: Scope;
}

export interface BottleBundle {
  readonly bundle: RunningBundle;
  /** What is under way may end (`LIMITS.drainMs`), what comes now is refused; resolves when the bundle has ended. */
  readonly drain: () => Promise<void>;
  /** Opens the control socket; to be called once the bundle is ready. */
  readonly serveControl: () => Promise<BundleControl>;
}

export async function startBottleBundle(parts: BottleBundleParts): Promise<BottleBundle> {
  const { options, paths, handover, listeners, scope } = parts;
  const record = openForAppend(paths.record, scope);
  const log = openForAppend(paths.log, scope);
  const onLog = (from: string, line: string): void => {
    fs.writeSync(log, `${systemClock.timestamp()} ${from}: ${line}\n`);
  };
  const audit = keepAudit(
    {
      home: options.paths,
      slug: options.plan.gateway.slug,
      paths,
      clock: systemClock,
      onProblem: (why) => {
        onLog('bundle', why);
      },
    },
    scope,
  );
  const { peers } = parts;
  const supervised = listeners.some(({ role }) => role === 'supervise');
  const watched = peers === undefined ? [] : [peers.company, peers.tcp, peers.tcp6];
  const own = listeners.flatMap(({ role, fd }) => (role === 'git' || role === 'supervise' ? [] : [{ role, fd }]));
  const descriptors = [record, ...own.map(({ fd }) => fd), ...watched];
  const common = { allocateUid: options.allocateUid, stageRoot: paths.runtime, stateDirectory: paths.root };
  const init = await boxProcess(
    { ...common, kind: 'init', script: heldPath(paths.program, 'init.js'), control: null, spill: null, descriptors: 0 },
    scope,
  );
  const egress = await boxProcess(
    {
      ...common,
      kind: 'egress',
      script: heldPath(paths.program, 'egress.js'),
      control: paths.control,
      spill: openSpill(paths.spill, scope),
      descriptors: descriptors.length,
    },
    scope,
  );
  const roles = own.map(({ role }) => role);
  const directories = {
    controlDirectory: egress.boxed ? BOXED.control : paths.control,
    spillDirectory: egress.spillInside ?? paths.spill,
  };
  const documentOf = (config: BottlePlan['gateway'], secrets: GatewaySecrets): string =>
    egressDocument({ gateway: config }, { secrets }, roles, directories, peers?.uid ?? null);
  const places = { asked: paths.asked, answers: paths.answers };
  const grants = supervised ? standingGrants(new ProposalQueue(places, systemClock), systemClock.now()) : [];
  const bundle = startBundle({
    init,
    services: [
      {
        ...egress,
        name: 'egress',
        descriptors,
        beforeStart: () => {
          endTornLine(paths.record);
        },
        document: documentOf(granted(options.plan.gateway, grants), handover.secrets),
      },
      ...(await gateService(parts, common, record)),
      ...(await superviseService(parts, common)),
    ],
    onLog,
  });
  const drain = async (): Promise<void> => {
    const ended = bundle.stop();
    parts.closeListeners();
    await ended;
  };
  scope.defer('bundle', drain);
  return {
    bundle,
    drain,
    serveControl: () =>
      serveControl({
        paths,
        nonce: handover.callersNonce,
        gatewayNonce: handover.controlNonce,
        bundle,
        config: options.plan.gateway,
        grants,
        approvals: supervised ? { places, clock: systemClock, audit } : null,
        secrets: handover.secrets,
        userName: options.userName,
        documentOf,
        scope,
      }),
  };
}

function openSpill(directory: string, scope: Scope): string {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  scope.defer('held bodies', () => {
    fs.rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

function openForAppend(file: string, scope: Scope): number {
  const fd = fs.openSync(file, 'a', 0o600);
  scope.defer(path.basename(file), () => {
    fs.closeSync(fd);
  });
  return fd;
}
