import fs from 'node:fs';
import { boxProcess, type BoxRequest } from '../bundle/box.ts';
import type { ServicePlan } from '../bundle/broker.ts';
import { BOXED } from '../bundle/sandbox.ts';
import { BottleError } from '../kernel/errors.ts';
import { heldPath } from '../platform/assets.ts';
import { reveal } from '../platform/reveal.ts';
import type { GateServiceDocument } from '../schema/git-gate.ts';
import type { BottleBundleParts } from './bundle.ts';
import { openLocalRepository, serveUpstreams } from './git-upstreams.ts';

/** The record is the first descriptor of a service's own; the gate's one listener follows it. */
const LISTENER_FD = 6;

/** The git gate of a bottle: none where no repository is declared. */
export async function gateService(
  { options, paths, handover, listeners, scope }: BottleBundleParts,
  common: Pick<BoxRequest, 'allocateUid' | 'stageRoot' | 'stateDirectory'>,
  record: number,
): Promise<readonly ServicePlan[]> {
  const repos = options.plan.repos ?? [];
  if (repos.length === 0) return [];
  const listener = listeners.find(({ role }) => role === 'git');
  if (listener === undefined) throw new BottleError('launch_failed', { message: 'the git gate has no listener' });
  for (const directory of [paths.git, paths.upstreams]) {
    fs.mkdirSync(directory, { mode: 0o700 });
    scope.defer(directory, () => {
      fs.rmSync(directory, { recursive: true, force: true });
    });
  }
  const box = await boxProcess(
    {
      ...common,
      kind: 'git-gate',
      script: heldPath(paths.program, 'git-gate.js'),
      control: paths.upstreams,
      spill: paths.git,
      descriptors: 2,
      remoteUpstreams: repos.some(({ upstream }) => upstream.kind !== 'local'),
    },
    scope,
  );
  const repositories = repos.flatMap((repo) => openLocalRepository(repo) ?? []);
  await serveUpstreams({ repositories, directory: paths.upstreams, stateDirectory: paths.root, scope });
  const { secrets } = handover;
  const values = options.values ?? new Map<string, never>();
  const document: GateServiceDocument = {
    slug: options.plan.gateway.slug,
    repos: [...repos],
    secrets: {
      credentials: repos.flatMap(({ credential }) => {
        const value = credential === null ? undefined : values.get(credential);
        return credential === null || value === undefined ? [] : [{ name: credential, value: reveal(value, 'pipe') }];
      }),
      knownValues: [...secrets.knownValues, ...secrets.credentials, ...(secrets.placeholders ?? [])].map(
        ({ name, value }) => ({ name, value }),
      ),
      standIns: (secrets.placeholders ?? []).map(({ standIn }) => standIn),
    },
    extraCa: [...options.plan.gateway.upstream.extraCa],
    listenerFd: LISTENER_FD,
    directory: box.spillInside ?? paths.git,
    sockets: box.boxed ? BOXED.control : paths.upstreams,
  };
  return [{ ...box, name: 'git-gate', descriptors: [record, listener.fd], document: JSON.stringify(document) }];
}
