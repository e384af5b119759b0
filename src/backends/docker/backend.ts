import { BottleError } from '../../kernel/errors.ts';
import { operator } from '../../platform/operator.ts';
import { DockerEngine } from '../../platform/docker/engine.ts';
import type { Backend, BackendProbe } from '../../ports/backend.ts';
import { applyDocker, type DockerBottle } from './apply.ts';
import { enterDocker } from './enter.ts';
import { engineInfo, findImage, limitSupport, refuseWhatIsNotHeld, type EngineInfo } from './facts.ts';
import { planContainer, type DockerPlan, type Wall } from './plan.ts';
import { nodeRuntime } from './runtime-files.ts';

export interface DockerOptions {
  /** The engine's unix socket. */
  readonly socketPath: string;
  /** Name of the image that bottles are made of. */
  readonly image: string;
  /** A directory of the bottle's own for what only lives as long as it does. */
  readonly runtimeDirectory: (slug: string) => string;
  /** For tests of the proof alone: leaves one wall out. */
  readonly withoutWall?: Wall;
}

/** What is done, and what a proof compares with: the same, unless a test took a wall away. */
export interface PlannedContainer {
  readonly plan: DockerPlan;
  readonly intended: DockerPlan;
}

export interface DockerBackend extends Backend<PlannedContainer> {
  apply(...parameters: Parameters<Backend<PlannedContainer>['apply']>): Promise<DockerBottle>;
}

export function dockerBackend(options: DockerOptions): DockerBackend {
  const engine = new DockerEngine(options.socketPath);
  return {
    capabilities: {
      name: 'docker',
      wall: 'a container without network or capabilities, a system call filter, read-only image (Docker)',
      workspaceModes: ['copy', 'none'],
      debug: true,
    },
    probe: () => probeDocker(engine),
    limits: async () => limitSupport(await engineInfo(engine)),
    plan: async (bottle) => {
      refuseWhatIsNotHeld(bottle.resources, limitSupport(await engineInfo(engine)));
      const { uid, home } = operator();
      const image = await findImage(engine, options.image);
      const facts = { uid, operatorHome: home, image, runtime: null, loader: nodeRuntime().loader };
      const { withoutWall } = options;
      const intended = planContainer(bottle, facts);
      return { intended, plan: withoutWall === undefined ? intended : planContainer(bottle, facts, withoutWall) };
    },
    apply: (planned, context) => applyDocker(engine, planned, context, options),
    enter: (context) => enterDocker(engine, context),
  };
}

async function probeDocker(engine: DockerEngine): Promise<BackendProbe> {
  let info: EngineInfo;
  try {
    info = await engineInfo(engine);
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    return { available: false, why: failure.message, fix: 'sudo apt-get install docker.io   and start it' };
  }
  if (info.OSType !== 'linux')
    return { available: false, why: `the engine runs ${info.OSType} containers`, fix: 'use an engine for Linux' };
  if (process.getuid?.() !== 0) {
    return {
      available: false,
      why: 'only root can put the gateway into a container that has no network',
      fix: 'sudo bot-bottle …, or --backend bubblewrap',
    };
  }
  return { available: true, why: `Docker ${info.ServerVersion} at ${engine.socketPath}` };
}
