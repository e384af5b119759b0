import fs from 'node:fs';
import path from 'node:path';
import type { Scope } from '../kernel/scope.ts';
import { planStage, prepareStage, type StagedPath } from '../platform/staging.ts';
import { findProgram, systemLibraries } from './host-facts.ts';
import { filterFdAfter, type BundleProcess } from './process.ts';
import { BOXED, planSandbox, planUnboxed, type ProcessKind, type SandboxFacts } from './sandbox.ts';
import { serviceFilter } from './service-filter.ts';

type AllocateUid = () => Promise<{ readonly uid: number; readonly release: () => void | Promise<void> }>;

/** Plans the box of one process from this machine's facts, and makes what must be there before it starts. */
export interface BoxRequest {
  readonly kind: ProcessKind;
  /** The bundled file that runs. */
  readonly script: string;
  readonly remoteUpstreams?: boolean;
  /** Host directory for its control socket, or for the sockets that it calls. */
  readonly control: string | null;
  /** Host directory for what it holds on disk. */
  readonly spill: string | null;
  /** Host directory that it may only read. */
  readonly shown?: string;
  /** How many descriptors of its own it gets. */
  readonly descriptors: number;
  /** Started by root: where a uid for this process alone comes from. */
  readonly allocateUid: AllocateUid | null;
  /** The bottle's, which marks the process. */
  readonly stateDirectory: string;
  /** Directory that every user can reach, below which this process's files are shown to its uid. */
  readonly stageRoot: string;
  /** Absolute path of bubblewrap, or null where it is missing. */
  readonly bwrap?: string | null;
}

export interface BoxedProcess extends BundleProcess {
  /** Where the process finds its directory for what it holds. */
  readonly spillInside: string | null;
}

/** The uid is given back, and the stage ends, with the scope. */
export async function boxProcess(request: BoxRequest, scope: Scope): Promise<BoxedProcess> {
  const { kind, script, control, spill, descriptors, stateDirectory } = request;
  const bwrap = request.bwrap === undefined ? findProgram('bwrap') : request.bwrap;
  const filter = bwrap === null ? null : serviceFilter();
  const nodeBinary = process.execPath;
  const facts: SandboxFacts = {
    bwrap: bwrap ?? '',
    nodeBinary,
    script,
    libraries: systemLibraries(),
    remoteUpstreams: request.remoteUpstreams ?? false,
    controlDirectory: control,
    spillDirectory: spill,
    shownDirectory: request.shown ?? null,
    filterFd: filter === null ? null : filterFdAfter(descriptors),
    dropTo: request.allocateUid === null ? null : await dropPrivileges(request, nodeBinary, request.allocateUid, scope),
  };
  const argv = bwrap === null ? planUnboxed(facts) : planSandbox(kind, facts);
  const unboxedSpill = spill === null ? null : (facts.dropTo?.stage.pathOf('spill') ?? spill);
  const spillInside = bwrap === null ? unboxedSpill : BOXED.spill;
  return { argv, boxed: bwrap !== null, stateDirectory, filter, spillInside };
}

async function dropPrivileges(
  { kind, script, control, spill, shown, stageRoot }: BoxRequest,
  nodeBinary: string,
  allocateUid: AllocateUid,
  scope: Scope,
): Promise<NonNullable<SandboxFacts['dropTo']>> {
  const { uid, release } = await allocateUid();
  scope.defer(`uid of ${kind}`, release);
  const staged: StagedPath[] = [
    { source: nodeBinary, name: 'node' },
    { source: script, name: 'service.js' },
  ];
  if (control !== null) {
    fs.chownSync(control, uid, uid);
    staged.push({ source: control, name: 'control' });
  }
  if (spill !== null) {
    fs.chownSync(spill, uid, uid);
    staged.push({ source: spill, name: 'spill' });
  }
  if (shown !== undefined) staged.push({ source: shown, name: 'shown' });
  const directory = path.join(stageRoot, `stage-${kind}`);
  prepareStage(directory, staged);
  return { uid, stage: planStage(directory, staged) };
}
