import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { fingerprint } from '../dlp/fingerprint.ts';
import { buildKnownValues } from '../dlp/known-values.ts';
import { redactText } from '../dlp/redact.ts';
import { builtInRules } from '../dlp/rules/index.ts';
import { buildRuleSet, type RuleSet } from '../dlp/rule-set.ts';
import type { Screen } from '../dlp/screen.ts';
import type { TokenScannerParts } from '../dlp/token-scanner.ts';
import { BottleError } from '../kernel/errors.ts';
import { Secret } from '../kernel/secret.ts';
import { systemClock } from '../platform/clock.ts';
import { systemRandom } from '../platform/random.ts';
import { systemRoots } from '../platform/trust.ts';
import type { AuditSink } from '../ports/audit-sink.ts';
import type { GateRepo, GateServiceDocument } from '../schema/git-gate.ts';
import { askNobody, type GateCore } from './gate.ts';
import { writeAskpass, writeHook } from './hook.ts';
import { HttpsUpstream } from './https-upstream.ts';
import { localUpstream } from './local-upstream.ts';
import { Mirror } from './mirror.ts';
import { createGateServer } from './server.ts';
import { sshUpstream } from './ssh-upstream.ts';
import type { Upstream } from './upstream.ts';

export interface GateParts {
  readonly document: GateServiceDocument;
  readonly record: AuditSink;
  /** A broken assumption of the gate's own; the request it happened in has been ended. */
  readonly onBug: (failure: unknown) => void;
  /** Where the listener is not a descriptor of the document's: a port on loopback. */
  readonly listenOn?: { readonly host: string; readonly port: number };
}

export interface RunningGate extends AsyncDisposable {
  readonly port: number;
}

/** Starts the git gate: it listens when the promise resolves. */
export async function startGate({ document, record, onBug, listenOn }: GateParts): Promise<RunningGate> {
  const core = createCore(document, record);
  writeHook(core.hooks);
  mkdirSync(core.lists, { recursive: true, mode: 0o700 });
  const shared = prepareShared(document);
  const mirrors = new Map(
    document.repos.map((repo) => {
      const directory = join(document.directory, 'mirrors', `${repo.name}.git`);
      return [repo.name, new Mirror(repo, upstreamOf(repo, document, shared), directory)];
    }),
  );
  const server = createGateServer(core, mirrors, onBug);
  const port = await listen(server, listenOn ?? { fd: document.listenerFd });
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      await close(server);
      for (const { upstream } of mirrors.values()) upstream[Symbol.dispose]?.();
    },
  };
}

/** What upstreams by https have in common. */
interface Shared {
  readonly askpass: string;
  readonly roots: string | null;
  readonly ca: () => readonly string[];
}

function prepareShared({ directory, extraCa, repos }: GateServiceDocument): Shared {
  const askpass = join(directory, 'tools', 'askpass');
  if (repos.some(({ upstream }) => upstream.kind === 'https')) writeAskpass(askpass);
  return {
    askpass,
    roots: extraCa.length === 0 ? null : writeRoots(directory, extraCa),
    ca: () => [...systemRoots(), ...extraCa],
  };
}

/** Git takes one file, so the operator's roots stand in it beside the system's. */
function writeRoots(directory: string, extraCa: readonly string[]): string {
  const file = join(directory, 'roots.pem');
  writeFileSync(file, [...systemRoots(), ...extraCa].join('\n'), { mode: 0o600 });
  return file;
}

function createCore(document: GateServiceDocument, sink: AuditSink): GateCore {
  const { slug, secrets, directory } = document;
  const known = buildKnownValues(secrets.knownValues);
  const screen: Screen = { known, tokens: tokenScanner(secrets.standIns) };
  return {
    slug,
    screen,
    redact: (text) => redactText(screen, text),
    sink,
    clock: systemClock,
    random: systemRandom,
    hooks: join(directory, 'hooks'),
    lists: join(directory, 'lists'),
    ask: askNobody,
  };
}

/** Formats of credentials and of sessions' tokens; people's own data is in every author line. */
function tokenScanner(standIns: readonly string[]): TokenScannerParts {
  const key = randomBytes(32);
  const hmacHex = (text: string): string => createHmac('sha256', key).update(text).digest('hex');
  let rules: RuleSet | null = null;
  return {
    get rules(): RuleSet {
      return (rules ??= buildRuleSet(builtInRules().filter(({ rule }) => rule.kind !== 'personal')));
    },
    mark: (secret) => {
      const text = Buffer.from(secret).toString('latin1');
      return standIns.some((standIn) => text.includes(standIn)) ? null : fingerprint(hmacHex, text);
    },
  };
}

function upstreamOf(repo: GateRepo, document: GateServiceDocument, shared: Shared): Upstream {
  const { url, upstream } = repo;
  const held = document.secrets.credentials.find(({ name }) => name === repo.credential);
  const credential = held === undefined ? null : new Secret(held.name, held.value.trim());
  switch (upstream.kind) {
    case 'local':
      return localUpstream(url, join(document.sockets, `${repo.name}.sock`));
    case 'https': {
      const { host, port, path, user } = upstream;
      const { askpass, roots, ca } = shared;
      return new HttpsUpstream({ url, host, port, path, user, token: credential, askpass, roots, ca });
    }
    case 'ssh': {
      if (credential === null) throw new BottleError('config_invalid', { message: `${url} has no key` });
      return sshUpstream({
        ...{ url, name: repo.name, upstream, key: credential },
        directory: join(document.directory, 'ssh'),
      });
    }
  }
}

async function listen(
  server: Server,
  where: { readonly fd: number } | { readonly host: string; readonly port: number },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(where, () => {
    resolve(undefined);
  });
  await promise;
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
