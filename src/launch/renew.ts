import { BottleError } from '../kernel/errors.ts';
import { Secret } from '../kernel/secret.ts';
import type { GatewayConfig, GatewaySecrets } from '../schema/gateway-config.ts';
import { inspectValues } from './handover.ts';

/** A new policy for a bottle that runs, and the values that it needs or that have changed. */
export interface Renewal {
  readonly config: GatewayConfig;
  /** Names in slot order; null when the slots are as before. */
  readonly credentials: readonly string[] | null;
  /** By `credential:NAME` and `env:NAME`; what is missing stays as it is. */
  readonly values: Readonly<Record<string, string>>;
}

type NamedValue = GatewaySecrets['credentials'][number];

/**
 * The secrets of the next policy. What no route uses any more is still looked for on the way out; a stand-in stays what
 * it was, for the agent's environment is fixed. Throws for what can't be had or can't be kept from leaking.
 */
export function renewSecrets(old: GatewaySecrets, renewal: Renewal, userName: string): GatewaySecrets {
  const placeholders = (old.placeholders ?? []).map((held) => ({
    ...held,
    value: renewal.values[`env:${held.name}`] ?? held.value,
  }));
  const names = renewal.credentials ?? old.credentials.map(({ name }) => name);
  const credentials = names.map((name) => ({ name, value: credentialValue(name, old, renewal) }));
  refuseUnknownSlots(renewal.config, names);
  refuseNewStandIns(renewal.config, placeholders);
  refuseBadValues(renewal.config, { credentials, placeholders }, userName);
  const inUse = new Set([...credentials, ...placeholders].map(({ value }) => value));
  const retired = [...old.credentials, ...(old.placeholders ?? [])].filter(({ value }) => !inUse.has(value));
  return {
    ...old,
    credentials,
    ...(old.placeholders === undefined ? {} : { placeholders }),
    knownValues: [...old.knownValues, ...retired.map(({ name, value }) => ({ name, value }))],
  };
}

function credentialValue(name: string, old: GatewaySecrets, { values }: Renewal): string {
  const value = values[`credential:${name}`] ?? old.credentials.find((held) => held.name === name)?.value;
  if (value !== undefined) return value;
  throw new BottleError('secret_missing', {
    message: `the host variable ${name} is not set, and the bottle was started without it`,
    key: name,
    hint: `export ${name}=…`,
  });
}

function refuseUnknownSlots({ routes }: GatewayConfig, names: readonly string[]): void {
  for (const { route, credential } of routes) {
    if (credential === undefined || names[credential] === route.auth?.token_ref) continue;
    throw new BottleError('config_invalid', {
      message: `the route of ${route.host} names credential ${String(credential)}, which is not its own`,
    });
  }
}

function refuseNewStandIns({ routes }: GatewayConfig, held: readonly NamedValue[]): void {
  for (const { route } of routes) {
    const missing = route.placeholders?.find(({ env }) => !held.some(({ name }) => name === env));
    if (missing === undefined) continue;
    throw new BottleError('config_invalid', {
      message: `${missing.env} would need a stand-in in the agent's environment, which is fixed while it runs (placeholders of ${route.host})`,
      key: missing.env,
      hint: 'end the bottle, then bot-bottle resume',
    });
  }
}

function refuseBadValues(
  config: GatewayConfig,
  {
    credentials,
    placeholders,
  }: { readonly credentials: readonly NamedValue[]; readonly placeholders: readonly NamedValue[] },
  userName: string,
): void {
  const secretsOf = (kind: string, values: readonly NamedValue[]): readonly (readonly [string, Secret])[] =>
    values.map(({ name, value }) => [`${kind}:${name}`, new Secret(name, value)] as const);
  inspectValues({
    plan: {
      slug: config.slug,
      gateway: config,
      credentials: credentials.map(({ name }) => ({ name })),
      command: { placeholderEnv: placeholders.map(({ name }) => name), forwardedEnv: [] },
    },
    values: new Map([...secretsOf('credential', credentials), ...secretsOf('env', placeholders)]),
    userName,
  });
}
