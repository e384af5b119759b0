import { z } from 'zod';
import { BottleError } from '../../kernel/errors.ts';
import type { DockerEngine } from '../../platform/docker/engine.ts';
import { decodeJson } from '../../schema/json.ts';
import type { LimitSupport } from '../../schema/limits.ts';
import type { Resources } from '../../schema/plan.ts';
import type { ImageFacts } from './plan.ts';

const InfoSchema = z.object({
  ServerVersion: z.string(),
  OSType: z.string(),
  MemoryLimit: z.boolean().optional(),
  PidsLimit: z.boolean().optional(),
  CpuCfsQuota: z.boolean().optional(),
  CgroupVersion: z.string().optional(),
  Runtimes: z.record(z.string(), z.unknown()).optional(),
});
export type EngineInfo = z.infer<typeof InfoSchema>;

/** `GET /info`, the part that decides something. */
export function engineInfo(engine: DockerEngine): Promise<EngineInfo> {
  return engine.json(InfoSchema, { method: 'GET', path: '/info' });
}

const ImageSchema = z.object({
  Id: z.string(),
  Config: z
    .object({ Env: z.array(z.string()).nullish(), Volumes: z.record(z.string(), z.unknown()).nullish() })
    .nullish(),
});

export async function findImage(engine: DockerEngine, name: string): Promise<ImageFacts> {
  const path = `/images/${encodeURIComponent(name)}/json`;
  const { status, body } = await engine.send({ method: 'GET', path, accept: [404] });
  if (status === 404) {
    throw new BottleError('image_missing', {
      message: `the engine has no image ${name}`,
      hint: `docker pull ${name}   or name one that is there:  export BOT_BOTTLE_BASE_IMAGE=…`,
    });
  }
  const decoded = decodeJson(ImageSchema, body);
  if (!decoded.ok)
    throw new BottleError('engine_failed', {
      message: `the image ${name} is not described as documented: ${decoded.error}`,
    });
  const { Id, Config } = decoded.value;
  const variables = (Config?.Env ?? []).map((text) => text.split('=')[0] ?? '').filter((variable) => variable !== '');
  return { id: Id, variables, volumes: Object.keys(Config?.Volumes ?? {}) };
}

/** What the engine's control groups hold. Of disk they hold nothing: that is watched. */
export function limitSupport(info: EngineInfo): LimitSupport {
  const group = info.CgroupVersion === '2' ? 'cgroup2' : 'cgroup1';
  return {
    memory: info.MemoryLimit === false ? 'watchdog' : group,
    pids: info.PidsLimit === false ? 'rlimit' : group,
    cpus: info.CpuCfsQuota === false ? 'none' : group,
    disk: 'watchdog',
  };
}

/** An engine that holds no memory or processes has nothing of ours in its place. */
export function refuseWhatIsNotHeld({ memoryBytes, pids }: Resources, support: LimitSupport): void {
  const unheld = support.memory === 'watchdog' && memoryBytes !== undefined ? 'memory' : null;
  const resource = unheld ?? (support.pids === 'rlimit' && pids !== undefined ? 'pids' : null);
  if (resource === null) return;
  throw new BottleError('resource_unavailable', {
    message: `this engine has no control group that could hold ${resource}`,
    key: `resources.${resource}`,
    hint: '--backend bubblewrap',
  });
}
