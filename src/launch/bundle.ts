import fs from 'node:fs';
import path from 'node:path';
import { startBundle, type RunningBundle } from '../bundle/broker.ts';
import { findProgram, systemLibraries } from '../bundle/host-facts.ts';
import { filterFdAfter, type BundleProcess } from '../bundle/process.ts';
import { BOXED, planSandbox, planUnboxed, type ProcessKind, type SandboxFacts } from '../bundle/sandbox.ts';
import { serviceFilter } from '../bundle/service-filter.ts';
import type { Scope } from '../kernel/scope.ts';
import { assetPath } from '../platform/assets.ts';
import { planStage, prepareStage, type StagedPath } from '../platform/staging.ts';
import type { BottleListener } from '../ports/backend.ts';
import type { BottlePlan } from '../schema/plan.ts';
import type { BottlePaths } from '../state/paths.ts';
import type { AllocateUid } from './bottle.ts';
import { egressDocument, type Handover } from './handover.ts';

/** The bundle of one bottle, or of the gateway alone: sandboxes planned, descriptors opened, processes started. */
export interface BottleBundleParts {
  readonly options: { readonly plan: Pick<BottlePlan, 'gateway'>; readonly allocateUid: AllocateUid | null };
  readonly paths: BottlePaths;
  readonly handover: Handover;
  readonly listeners: readonly BottleListener[];
  readonly scope: Scope;
}

export async function startBottleBundle(parts: BottleBundleParts): Promise<RunningBundle> {
  const { options, paths, handover, listeners, scope } = parts;
  const record = openForAppend(paths.record, scope);
  const log = openForAppend(paths.log, scope);
  const descriptors = [record, ...listeners.map(({ fd }) => fd)];
  const init = await boxed('init', { control: null, descriptors: 0 }, parts);
  const egress = await boxed('egress', { control: paths.control, descriptors: descriptors.length }, parts);
  const roles = listeners.map(({ role }) => role);
  const controlInside = egress.boxed ? BOXED.control : paths.control;
  const bundle = startBundle({
    init,
    services: [
      {
        ...egress,
        name: 'egress',
        descriptors,
        document: egressDocument(options.plan, handover, roles, controlInside),
      },
    ],
    onLog: (from, line) => {
      fs.writeSync(log, `${from}: ${line}\n`);
    },
  });
  scope.defer('bundle', async () => {
    await bundle.stop();
  });
  return bundle;
}

function openForAppend(file: string, scope: Scope): number {
  const fd = fs.openSync(file, 'a', 0o600);
  scope.defer(path.basename(file), () => {
    fs.closeSync(fd);
  });
  return fd;
}

/** Plans the box of one process; under root with a uid of its own and a stage that shows it our files. */
async function boxed(
  kind: ProcessKind,
  { control, descriptors }: { readonly control: string | null; readonly descriptors: number },
  { options, paths, scope }: BottleBundleParts,
): Promise<BundleProcess> {
  const bwrap = findProgram('bwrap');
  const nodeBinary = process.execPath;
  const script = assetPath(`${kind}.js`);
  const dropTo =
    options.allocateUid === null
      ? null
      : await dropPrivileges(kind, { nodeBinary, script, control }, options.allocateUid, paths, scope);
  const filter = bwrap === null ? null : serviceFilter();
  const facts: SandboxFacts = {
    bwrap: bwrap ?? '',
    nodeBinary,
    script,
    libraries: systemLibraries(),
    controlDirectory: control,
    filterFd: filter === null ? null : filterFdAfter(descriptors),
    dropTo,
  };
  return bwrap === null
    ? { argv: planUnboxed(facts), boxed: false, filter }
    : { argv: planSandbox(kind, facts), boxed: true, filter };
}

async function dropPrivileges(
  kind: ProcessKind,
  ours: { readonly nodeBinary: string; readonly script: string; readonly control: string | null },
  allocateUid: AllocateUid,
  paths: BottlePaths,
  scope: Scope,
): Promise<NonNullable<SandboxFacts['dropTo']>> {
  const { uid, release } = await allocateUid();
  scope.defer(`uid of ${kind}`, release);
  const staged: StagedPath[] = [
    { source: ours.nodeBinary, name: 'node' },
    { source: ours.script, name: 'service.js' },
  ];
  if (ours.control !== null) {
    fs.chownSync(ours.control, uid, uid);
    staged.push({ source: ours.control, name: 'control' });
  }
  const directory = path.join(paths.runtime, `stage-${kind}`);
  prepareStage(directory, staged);
  return { uid, stage: planStage(directory, staged) };
}
