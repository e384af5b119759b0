import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import type { Secret } from '../kernel/secret.ts';
import type { SecretSource } from '../ports/secret-source.ts';

/** A value the bottle needs, as the manifest asks for it. `name` is `env:NAME` or `credential:VARIABLE`. */
export interface SecretRequest {
  readonly name: string;
  readonly from:
    | { readonly kind: 'host'; readonly variable: string }
    | { readonly kind: 'prompt'; readonly message: string | null }
    /** A file of the operator's, such as a key. */
    | { readonly kind: 'file'; readonly path: string };
  readonly position: SourcePosition | null;
  /** What it is for, for the error: `env.STRIPE_KEY`, `egress.routes[0].auth.token_ref`. */
  readonly key: string;
}

/** Resolves every request once, before any backend is called (HOTSPOTS H4); the first missing one fails the launch. */
export function resolveSecrets(requests: readonly SecretRequest[], source: SecretSource): ReadonlyMap<string, Secret> {
  return new Map(requests.map((request) => [request.name, resolveOne(request, source)]));
}

function resolveOne(request: SecretRequest, source: SecretSource): Secret {
  const position = request.position === null ? {} : { position: request.position };
  if (request.from.kind === 'host') {
    const { variable } = request.from;
    const value = source.hostVariable(variable);
    if (value !== null) return value;
    throw new BottleError('secret_missing', {
      message: `the host variable ${variable} is not set`,
      key: request.key,
      hint: `export ${variable}=…`,
      ...position,
    });
  }
  if (request.from.kind === 'file') return resolveFile(request, request.from.path, source);
  const name = request.name.replace(/^env:/, '');
  const answer = source.preparedAnswer(name);
  if (answer !== null) return answer;
  throw new BottleError('secret_missing', {
    message: `${name} is asked at launch, and nobody can be asked here`,
    key: request.key,
    hint: `export BOT_BOTTLE_SECRET_${name}=…`,
    ...position,
  });
}

function resolveFile({ key, position }: SecretRequest, path: string, source: SecretSource): Secret {
  const value = source.file(path);
  if (value !== null) return value;
  throw new BottleError('secret_missing', {
    message: `${path} can't be read, or is no file`,
    key,
    hint: `ls -l ${path}`,
    ...(position === null ? {} : { position }),
  });
}
