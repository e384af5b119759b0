import { X509Certificate } from 'node:crypto';
import path from 'node:path';
import type { z } from 'zod';
import { BottleError } from '../kernel/errors.ts';
import { Secret } from '../kernel/secret.ts';
import { isLiteral, parseAuthority, parseHostSpec } from '../policy/host.ts';
import type { Files } from '../ports/files.ts';
import type { OperatorRules } from '../schema/operator-rules.ts';
import { SettingsFileSchema, type Settings } from '../schema/settings.ts';
import { SETTINGS_EXAMPLES } from './examples.ts';
import { refuseNotBuilt, SETTINGS_NOT_BUILT } from './features.ts';
import {
  itemsAt,
  keyPathText,
  keyPositionOf,
  nodeAt,
  positionOf,
  stringAt,
  type KeyPath,
  type Located,
} from './located.ts';
import { joinRules, loadRuleFile } from './rule-file.ts';
import { asMap, checkShape } from './schema-check.ts';
import { parseYaml } from './yaml.ts';

const FILE = 'settings.yml';
const RULES = { code: 'settings_invalid', examples: SETTINGS_EXAMPLES } as const;

/** `settings.yml` of the bot-bottle home, its certificate files read; without the file, the defaults. */
export function loadSettings(home: string, files: Files): Settings {
  const tree = asMap(settingsTree(home, files), RULES.code);
  const content = checkShape(SettingsFileSchema, tree, RULES);
  refuseNotBuilt(tree, SETTINGS_NOT_BUILT);
  checkResolve(tree);
  return {
    upstream: {
      extraCa: itemsAt(tree, ['upstream', 'extra_ca']).flatMap((_, index) =>
        certificatesOf(tree, ['upstream', 'extra_ca', index], home, files),
      ),
      resolve: content.upstream?.resolve ?? {},
      proxy: proxyOf(content.upstream ?? {}, tree),
    },
    rules: rulesOf(tree, home, files),
    backend: content.backend ?? null,
    strictSecrets: content.strict_secrets ?? false,
  };
}

function settingsTree(home: string, files: Files): Located {
  try {
    return parseYaml({ file: FILE, text: files.read(path.join(home, FILE)) ?? '', lineOffset: 0 });
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    const { message, position, hint } = failure;
    throw new BottleError(RULES.code, {
      message,
      cause: failure,
      ...(position === undefined ? {} : { position }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

function fail(tree: Located, key: KeyPath, message: string, hint: string): never {
  throw new BottleError(RULES.code, { message, key: keyPathText(key), position: positionOf(tree, key), hint });
}

/** Both sides are checked here, where the line is known; the gateway compiles them again. */
function checkResolve(tree: Located): void {
  const node = nodeAt(tree, ['upstream', 'resolve']);
  for (const name of node?.kind === 'map' ? node.entries.keys() : []) {
    const key: KeyPath = ['upstream', 'resolve', name];
    const hint = SETTINGS_EXAMPLES['upstream.resolve'] ?? '';
    const from = parseAuthority(name);
    if (!from.ok || from.value.port === null) {
      throw new BottleError(RULES.code, {
        message: 'a key here must be host:port',
        key: keyPathText(key),
        position: keyPositionOf(tree, key),
        hint,
      });
    }
    const to = parseAuthority(stringAt(tree, key) ?? '');
    if (!to.ok || to.value.port === null || !isLiteral(to.value.host)) fail(tree, key, 'must be address:port', hint);
  }
}

type UpstreamSettings = NonNullable<z.infer<typeof SettingsFileSchema>['upstream']>;

const PROXY_FORM = /^(https?):\/\/(?:([^@/]*)@)?([^@/]+)\/?$/i;

function proxyOf(upstream: UpstreamSettings, tree: Located): Settings['upstream']['proxy'] {
  const { proxy, proxy_resolves: resolves = false, no_proxy: noProxy = [] } = upstream;
  if (proxy === undefined) return null;
  const hint = SETTINGS_EXAMPLES['upstream.proxy'] ?? '';
  const [, scheme, login, authority] = PROXY_FORM.exec(proxy) ?? [];
  const host = parseAuthority(authority ?? '');
  if (scheme === undefined || !host.ok)
    fail(tree, ['upstream', 'proxy'], 'must be a URL of scheme, host and port', hint);
  noProxy.forEach((spec, index) => {
    const pattern = parseHostSpec(spec);
    const key: KeyPath = ['upstream', 'no_proxy', index];
    if (!pattern.ok) fail(tree, key, `not a host: ${pattern.error}`, SETTINGS_EXAMPLES['upstream.no_proxy'] ?? '');
  });
  const secure = scheme.toLowerCase() === 'https';
  const { host: name, port } = host.value;
  const address = {
    scheme: secure ? ('https' as const) : ('http' as const),
    host: name,
    port: port ?? (secure ? 443 : 3128),
    resolves,
    noProxy,
  };
  return { address, login: login === undefined ? null : new Secret('upstream.proxy', decodeLogin(login, tree)) };
}

function decodeLogin(login: string, tree: Located): string {
  try {
    return decodeURIComponent(login);
  } catch (failure) {
    if (!(failure instanceof URIError)) throw failure;
    return fail(tree, ['upstream', 'proxy'], 'has a broken escape in its user or password', 'write % as %25');
  }
}

/** Later files have the last word. */
function rulesOf(tree: Located, home: string, files: Files): OperatorRules | null {
  const written = itemsAt(tree, ['dlp', 'rules']);
  const [first, ...more] = written
    .map((_, index) => {
      const key: KeyPath = ['dlp', 'rules', index];
      const file = path.resolve(home, (stringAt(tree, key) ?? '').replace(/^~(?=\/|$)/, files.operatorHome));
      const text = files.read(file);
      if (text === null) fail(tree, key, `there is no file ${file}`, SETTINGS_EXAMPLES['dlp.rules'] ?? '');
      return loadRuleFile(file, text, files);
    })
    .reverse();
  return first === undefined ? null : more.reduce(joinRules, first);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of one file and nothing else of it: a private key beside them goes nowhere. */
function certificatesOf(tree: Located, key: KeyPath, home: string, files: Files): readonly string[] {
  const written = stringAt(tree, key) ?? '';
  const file = path.resolve(home, written.replace(/^~(?=\/|$)/, files.operatorHome));
  const hint = SETTINGS_EXAMPLES['upstream.extra_ca'] ?? '';
  const text = files.read(file);
  if (text === null) fail(tree, key, `there is no file ${file}`, hint);
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate)) {
    fail(tree, key, `${file} holds no certificate in PEM form`, hint);
  }
  return certificates.map((certificate) => `${certificate}\n`);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch (failure) {
    if (failure instanceof Error) return false;
    throw failure;
  }
}
