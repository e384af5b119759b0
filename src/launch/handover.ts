import type { Random } from '../ports/random.ts';
import type { Clock } from '../ports/clock.ts';
import { BottleError } from '../kernel/errors.ts';
import type { Secret } from '../kernel/secret.ts';
import { createBottleCa } from '../platform/tls-ca.ts';
import { reveal } from '../platform/reveal.ts';
import { valueProblem } from '../policy/credentials.ts';
import { placeValueProblem } from '../policy/placeholders.ts';
import { classifyValue } from '../policy/strength.ts';
import { parseHostSpec } from '../policy/host.ts';
import type { EgressServiceDocument } from '../schema/egress-service.ts';
import type { GatewaySecrets } from '../schema/gateway-config.ts';
import type { BottlePlan, EgressRole } from '../schema/plan.ts';

/**
 * What the gateway is given, put together at the last moment and kept nowhere: resolved values, a CA of this bottle's
 * own, and the nonces that let the launcher recognise its probe and its own calls.
 */
export interface Handover {
  readonly secrets: GatewaySecrets;
  readonly caCertificate: string;
  readonly probeNonce: string;
  /** What the gateway knows the launcher by. */
  readonly controlNonce: string;
  /** What the launcher's own control socket asks of its callers. */
  readonly callersNonce: string;
  /** By variable: what the bottle gets in place of the value (SECURITY S9). */
  readonly standIns: Readonly<Record<string, string>>;
  /** Forwarded values that are not scanned for, with the reason (SECURITY S14). */
  readonly notices: readonly string[];
}

export interface HandoverParts {
  readonly plan: Pick<BottlePlan, 'slug' | 'gateway' | 'credentials' | 'command'>;
  readonly values: ReadonlyMap<string, Secret>;
  readonly userName: string;
  readonly random: Random;
  readonly clock: Clock;
  /** `user:password` for the upstream proxy. */
  readonly upstreamLogin?: Secret | null;
  readonly proxyAuth?: { readonly user: string; readonly password: string };
}

/** As much of a launch as its values are judged by. */
export interface ValueParts extends Pick<HandoverParts, 'values' | 'userName'> {
  readonly plan: Pick<BottlePlan, 'slug' | 'gateway' | 'credentials'> & {
    readonly command: Pick<BottlePlan['command'], 'forwardedEnv' | 'placeholderEnv'>;
  };
}

/** The values of a launch, looked at once: which are scanned for, and which can't be told from ordinary text. */
export interface InspectedValues {
  readonly credentials: GatewaySecrets['credentials'];
  readonly knownValues: GatewaySecrets['knownValues'];
  /** Values that stay outside: the bottle gets a stand-in for each (SECURITY S9). */
  readonly placed: readonly { readonly name: string; readonly value: string }[];
  /** Forwarded values that are not scanned for, with the reason (SECURITY S14). */
  readonly notices: readonly string[];
}

/** Throws for a credential that no request could carry or that would be found in everything. */
export function inspectValues({ plan, values, userName }: ValueParts): InspectedValues {
  const routedHosts = plan.gateway.routes.flatMap(({ route }) => {
    const pattern = parseHostSpec(route.host);
    return pattern.ok ? [pattern.value.host] : [];
  });
  const strengthOf = (value: string): ReturnType<typeof classifyValue> =>
    classifyValue(value, { routedHosts, userName });

  const credentials = plan.credentials.map(({ name }) => {
    const value = reveal(valueOf(values, `credential:${name}`), 'pipe');
    refuseUnsendable(plan.gateway, name, value);
    refuseWeak(name, strengthOf(value));
    return { name, value };
  });
  const placed = plan.command.placeholderEnv.map((name) => {
    const value = reveal(valueOf(values, `env:${name}`), 'pipe');
    refuseUnplaceable(plan.gateway, name, value);
    refuseWeak(name, strengthOf(value));
    return { name, value };
  });
  const notices: string[] = [];
  const knownValues = plan.command.forwardedEnv.flatMap((name) => {
    const value = reveal(valueOf(values, `env:${name}`), 'pipe');
    const strength = strengthOf(value);
    if (strength.kind === 'secret') return [{ name, value }];
    notices.push(`${name} is forwarded but not scanned for: it is ${strength.why}`);
    return [];
  });
  return { credentials, knownValues, placed, notices };
}

export function prepareHandover(parts: HandoverParts): Handover {
  const { plan, random } = parts;
  const { credentials, knownValues, placed, notices } = inspectValues(parts);
  const placeholders = placed.map((value) => ({ ...value, standIn: random.base36(STAND_IN_CHARACTERS) }));
  const ca = createBottleCa(parts.clock, plan.slug);
  const probeNonce = hex(random.bytes(16));
  const controlNonce = hex(random.bytes(16));
  const fingerprintKey = Buffer.from(random.bytes(32)).toString('base64');
  const login = parts.upstreamLogin ?? null;
  const auth = {
    ...(parts.proxyAuth === undefined ? {} : { proxyAuth: parts.proxyAuth }),
    ...(login === null ? {} : { upstreamLogin: reveal(login, 'pipe') }),
  };
  return {
    secrets: { credentials, placeholders, knownValues, fingerprintKey, ca, probeNonce, controlNonce, ...auth },
    caCertificate: ca.certificate,
    probeNonce,
    controlNonce,
    callersNonce: hex(random.bytes(16)),
    standIns: Object.fromEntries(placeholders.map(({ name, standIn }) => [name, standIn])),
    notices,
  };
}

/** About 200 bits, and no character that any encoding of a request changes. */
const STAND_IN_CHARACTERS = 40;

/** What the gateway puts in must be told from ordinary text, or it could not be kept from leaking (SECURITY S14). */
function refuseWeak(name: string, strength: ReturnType<typeof classifyValue>): void {
  if (strength.kind === 'secret') return;
  throw new BottleError('secret_weak', {
    message: `the value of ${name} is ${strength.why}, so it can't be told from ordinary text and kept from leaking`,
    key: name,
    hint: `export ${name}=…   a real token`,
  });
}

function refuseUnplaceable({ routes }: BottlePlan['gateway'], name: string, value: string): void {
  for (const { placeholders, host } of routes.map(({ route }) => route)) {
    for (const place of placeholders?.filter(({ env }) => env === name) ?? []) {
      const problem = placeValueProblem(place.in, value);
      if (problem === null) continue;
      throw new BottleError('secret_invalid', {
        message: `the value of ${name} ${problem}, so no request to ${host} could carry it in ${place.in} ${place.name}`,
        key: name,
      });
    }
  }
}

/** Found at the start, not at the first request that needs it. */
function refuseUnsendable({ routes }: BottlePlan['gateway'], name: string, value: string): void {
  for (const { auth, host } of routes.map(({ route }) => route)) {
    const problem = auth?.token_ref === name ? valueProblem(auth.scheme, value) : null;
    if (problem === null) continue;
    throw new BottleError('secret_invalid', {
      message: `the value of ${name} ${problem}, so no request to ${host} could carry it`,
      key: name,
      hint: `export ${name}="$(printf %s "$${name}" | tr -d '[:space:]')"`,
    });
  }
}

/** The first descriptor after the record file: listeners follow one another from here. */
const FIRST_LISTENER_FD = 6;

export function egressDocument(
  plan: Pick<BottlePlan, 'gateway'>,
  handover: Pick<Handover, 'secrets'>,
  roles: readonly EgressRole[],
  directories: Pick<EgressServiceDocument, 'controlDirectory' | 'spillDirectory'>,
  peersUid: number | null,
): string {
  const next = FIRST_LISTENER_FD + roles.length;
  const document: EgressServiceDocument = {
    config: plan.gateway,
    secrets: handover.secrets,
    listeners: roles.map((role, index) => ({ role, fd: FIRST_LISTENER_FD + index })),
    peers: peersUid === null ? null : { company: next, tcp: next + 1, tcp6: next + 2, uid: peersUid },
    ...directories,
  };
  return JSON.stringify(document);
}

function valueOf(values: ReadonlyMap<string, Secret>, name: string): Secret {
  const value = values.get(name);
  if (value === undefined) throw new BottleError('secret_missing', { message: `${name} was never resolved` });
  return value;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
