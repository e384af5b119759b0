import { bubblewrapBackend } from '../../backends/bubblewrap/backend.ts';
import { dockerBackend } from '../../backends/docker/backend.ts';
import { BottleError } from '../../kernel/errors.ts';
import type { Backend } from '../../ports/backend.ts';
import { BACKEND_NAMES, type BackendName } from '../../schema/plan.ts';
import { bottlePaths } from '../../state/paths.ts';
import type { CliContext } from '../context.ts';

/** The flag, then `BOT_BOTTLE_BACKEND`, then settings, then bubblewrap (DESIGN 10). A name is never quietly replaced. */
export function chooseBackend(context: CliContext, flag: BackendName | undefined): Backend {
  const named = flag ?? context.environment['BOT_BOTTLE_BACKEND'] ?? context.settings().backend ?? 'bubblewrap';
  if (named === '') return bubblewrap(context);
  const known = BACKEND_NAMES.find((name) => name === named);
  if (known === undefined) {
    throw new BottleError('backend_unknown', {
      message: `there is no backend "${named}"`,
      hint: `one of: ${BACKEND_NAMES.join(', ')}`,
    });
  }
  const built = builtBackend(context, known);
  if (built !== null) return built;
  throw new BottleError('feature_missing', {
    message: `the backend ${known} is not built yet`,
    hint: '--backend bubblewrap',
  });
}

/** What there is. A backend that joins is offered by preflight and looked at by `doctor`. */
const BUILT: Readonly<Partial<Record<BackendName, (context: CliContext) => Backend>>> = { bubblewrap, docker };

export function builtBackend(context: CliContext, name: BackendName): Backend | null {
  return BUILT[name]?.(context) ?? null;
}

/** Other walls that would work on this machine, for preflight to name. */
export async function otherBackends(context: CliContext, chosen: Backend): Promise<readonly BackendName[]> {
  const others = BACKEND_NAMES.filter((name) => name !== chosen.capabilities.name);
  const probes = others.map(async (name) => ({ name, probe: await builtBackend(context, name)?.probe() }));
  return (await Promise.all(probes)).flatMap(({ name, probe }) => (probe?.available === true ? [name] : []));
}

/** Where Docker listens unless it was told otherwise; DOCKER_HOST names another engine's, Podman's for one. */
const ENGINE_SOCKET = '/var/run/docker.sock';
const BASE_IMAGE = 'debian:bookworm-slim';

function docker({ environment, paths }: CliContext): Backend {
  const engine = environment['DOCKER_HOST'] ?? '';
  const socketPath = engine === '' ? ENGINE_SOCKET : (/^unix:\/\/(\/.+)$/.exec(engine)?.[1] ?? null);
  if (socketPath === null) {
    throw new BottleError('backend_unavailable', {
      message: `DOCKER_HOST is ${engine}, and only an engine on this machine can be used, by its unix socket`,
      hint: `export DOCKER_HOST=unix://${ENGINE_SOCKET}`,
    });
  }
  return dockerBackend({
    socketPath,
    image: environment['BOT_BOTTLE_BASE_IMAGE'] ?? BASE_IMAGE,
    runtimeDirectory: (slug) => bottlePaths(paths, slug).runtime,
  });
}

export function bubblewrap(context: CliContext): Backend {
  return bubblewrapBackend({ runtimeDirectory: (slug) => bottlePaths(context.paths, slug).runtime });
}
