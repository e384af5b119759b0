/**
 * `npm run demo`: one bottle, for real, with no network and no key. An API of its own on loopback, an agent that works
 * and then tries ten ways out, and a table of what became of them. Exits non-zero if anything got through, and leaves
 * nothing behind. The agent's word is never enough: each line is judged by what it must look like, by what the demo's
 * own servers saw, and by the record that the gateway keeps outside of the bottle.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { decodeJson } from '../src/schema/json.ts';
import { demoAuthority, serveDemo, type DemoServer } from './demo-server.ts';
import { ROOT } from './root.ts';
import { setup } from './setup.ts';

const API = 'api.demo.example';
const TRAP = 'trap.demo.example';
const CLI = path.join(ROOT, 'bin/bot-bottle');
/** Far above what it takes, so that a demo that hangs says so. */
const DEADLINE_MS = 60_000;

/** Which guarantee stands before each way out, and how its refusal reads: a broken attempt must not count as held. */
const EXPECTED: Readonly<Record<string, { readonly rule: string; readonly seen: RegExp }>> = {
  'unlisted-host': { rule: 'G-DENY', seen: /^403 no_route$/ },
  'raw-address': { rule: 'G-NET', seen: /^E\w+, 403 no_route$/ },
  'host-spoof': { rule: 'G-ONE', seen: /^403 host_mismatch$/ },
  'dns-lookup': { rule: 'G-NET', seen: /^NXDOMAIN$/ },
  'dns-outside': { rule: 'G-NET', seen: /^(E\w+|no answer)$/ },
  metadata: { rule: 'G-NET', seen: /^E\w+, 403 no_route$/ },
  'secret-header': { rule: 'G-LEAK', seen: /^403 known_secret$/ },
  'secret-base64': { rule: 'G-LEAK', seen: /^403 known_secret$/ },
  'host-files': { rule: 'G-SELF', seen: /^no such files$/ },
  'stop-bundle': { rule: 'G-SELF', seen: /still answers$/ },
};

const LineSchema = z.union([
  z.object({ work: z.literal(true), commit: z.string(), statuses: z.array(z.int()) }),
  z.object({ id: z.string(), tried: z.string(), seen: z.string(), out: z.boolean() }),
  z.object({ search: z.literal(true), looked: z.int(), found: z.boolean() }),
]);
type Line = z.infer<typeof LineSchema>;
type Attempt = Extract<Line, { id: string }>;

const DecidedSchema = z.object({ event: z.literal('decided'), decision: z.enum(['allow', 'deny']) });
type Decision = z.infer<typeof DecidedSchema>['decision'];

interface Scene {
  readonly root: string;
  readonly token: string;
  readonly key: string;
  readonly api: DemoServer;
  readonly trap: DemoServer;
}
interface Outcome {
  readonly code: number | null;
  readonly lines: readonly Line[];
  readonly complaints: string;
  readonly decisions: readonly Decision[];
}

const startedAt = performance.now();
const print = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};
const step = (text: string): void => {
  print(`  ${((performance.now() - startedAt) / 1000).toFixed(1).padStart(4)} s  ${text}`);
};

async function demo(root: string, stop: AbortSignal): Promise<boolean> {
  print('bot-bottle demo: an agent that was taken over, in a bottle.');
  print('It needs no network and no key, and removes all that it makes.');
  print();
  const authority = demoAuthority();
  await using api = await serveDemo(authority, API, '{"tasks":[{"id":1,"title":"mend the greeting"}]}\n');
  await using trap = await serveDemo(authority, TRAP, 'you got out\n');
  step(`an API on loopback; the bottle knows it as https://${API}`);
  const secret = (kind: string): string => `demo-${kind}-${randomBytes(18).toString('base64url')}`;
  const scene: Scene = { root, token: secret('token'), key: secret('key'), api, trap };
  writeHome(scene, authority.certificate);
  writeProject(scene);
  step('a git repository, and a bottle that allows that API and nothing else');
  const outcome = await runBottle(scene, stop);
  return outcome !== null && report(scene, outcome);
}

function homeOf({ root }: Scene): string {
  return path.join(root, 'home');
}

function writeHome(scene: Scene, certificate: string): void {
  const home = homeOf(scene);
  fs.mkdirSync(path.join(home, 'bottles'), { recursive: true, mode: 0o700 });
  const pem = path.join(home, 'upstream.pem');
  fs.writeFileSync(pem, certificate);
  // As far as names go the trap can be reached as well: only the policy stands before it.
  const resolve = { [`${API}:443`]: scene.api.address, [`${TRAP}:443`]: scene.trap.address };
  // YAML holds JSON.
  fs.writeFileSync(path.join(home, 'settings.yml'), `${JSON.stringify({ upstream: { extra_ca: [pem], resolve } })}\n`);
  fs.copyFileSync(path.join(ROOT, 'examples/demo/bottle.md'), path.join(home, 'bottles/demo.md'));
}

function writeProject({ root }: Scene): void {
  const project = path.join(root, 'project');
  fs.mkdirSync(project);
  fs.writeFileSync(path.join(project, 'GREETING'), 'hello, wrold\n');
  fs.copyFileSync(path.join(ROOT, 'examples/demo/agent.mjs'), path.join(project, 'agent.mjs'));
  const identity = ['-c', 'user.name=demo', '-c', 'user.email=demo@example.com', '-c', 'init.defaultBranch=main'];
  const env = { PATH: process.env['PATH'], HOME: root, GIT_CONFIG_NOSYSTEM: '1' };
  for (const command of [['init'], ['add', '.'], ['commit', '--message', 'A greeting']]) {
    const [verb = '', ...rest] = command;
    execFileSync('git', [...identity, verb, ...(verb === 'add' ? [] : ['--quiet']), ...rest], { cwd: project, env });
  }
}

/** The operator's environment: the token is in it, as it would be in a shell, and goes no further than the gateway. */
function operator(scene: Scene): NodeJS.ProcessEnv {
  const { PATH, XDG_RUNTIME_DIR } = process.env;
  const session = XDG_RUNTIME_DIR === undefined ? {} : { XDG_RUNTIME_DIR };
  const secrets = { DEMO_TOKEN: scene.token, DEMO_KEY: scene.key };
  return { PATH, HOME: os.homedir(), ...session, BOT_BOTTLE_HOME: homeOf(scene), ...secrets };
}

/** Null when it was stopped. */
async function runBottle(scene: Scene, stop: AbortSignal): Promise<Outcome | null> {
  // A system user's home may be a directory that every system has, such as / or /usr/sbin.
  const hostHome = /^(\/var)?\/home\/./.test(os.homedir()) ? os.homedir() : '/root';
  // The node that a bottle has anyway: that of its first process.
  const command = ['/opt/bot-bottle/node', 'agent.mjs', hostHome, scene.root, String(scene.trap.port)];
  const child = spawn(CLI, ['run', '--verbose', '--bottle', 'demo', '--', ...command], {
    cwd: path.join(scene.root, 'project'),
    env: operator(scene),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C reaches the demo alone, which passes it on once: a second signal would cut the teardown short.
    detached: true,
  });
  const passOn = (): unknown => child.kill('SIGTERM');
  if (stop.aborted) passOn();
  stop.addEventListener('abort', passOn);
  const [lines, complaints, code] = await Promise.all([
    collectText(child.stdout),
    collectText(child.stderr, announce),
    ended(child),
  ]);
  const read = lines.split('\n').flatMap((line) => values(decodeJson(LineSchema, line)));
  const decisions = readRecord(scene);
  // A run that failed or was stopped may not have come to its own clearing up; work that it kept goes with the root.
  spawnSync(CLI, ['cleanup', '--yes'], { env: operator(scene), stdio: 'ignore' });
  return stop.aborted ? null : { code, lines: read, complaints, decisions };
}

function announce(text: string): void {
  const walls = /✓ (\d+) walls proved/.exec(text)?.[1];
  if (walls === undefined) return;
  step(`the bottle is up; ${walls} walls proved, from inside and from outside`);
  step('the agent is let in: it works, then it tries to get out');
}

async function collectText(stream: NodeJS.ReadableStream, seen: (text: string) => void = () => undefined) {
  let text = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    text += String(chunk);
    seen(String(chunk));
  }
  return text;
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
}

const values = <T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false }): readonly T[] =>
  result.ok ? [result.value] : [];

/** What the gateway wrote down, outside of the bottle, before each decision took effect. */
function readRecord(scene: Scene): readonly Decision[] {
  const records = fs.globSync('state/*/decisions.jsonl', { cwd: homeOf(scene) });
  return records
    .flatMap((file) => fs.readFileSync(path.join(homeOf(scene), file), 'utf8').split('\n'))
    .flatMap((line) => values(decodeJson(DecidedSchema, line)))
    .map(({ decision }) => decision);
}

/** True when everything held and the work was done. */
function report({ token, key, api, trap }: Scene, { code, lines, complaints, decisions }: Outcome): boolean {
  const work = lines.find((line) => 'work' in line);
  const search = lines.find((line) => 'search' in line);
  const attempts = lines.filter((line): line is Attempt => 'id' in line);
  if (work !== undefined) step(`it cloned, edited and committed: ${work.commit}`);
  print();
  const verdicts = attempts.map((attempt) => ({ ...attempt, ...judge(attempt) }));
  printTable([['tried', 'seen', 'rule'], ...verdicts.map(({ tried, said, rule }) => [tried, said, rule])]);
  print();
  const leaks = [key, Buffer.from(`key=${key}`).toString('base64')];
  const leaked = [...api.texts, ...trap.texts].filter((text) => leaks.some((leak) => text.includes(leak))).length;
  // A word of the agent's can only make it worse: what the servers saw counts as well.
  const out = Math.max(verdicts.filter((verdict) => verdict.out).length, trap.connections + leaked);
  const real = api.authorizations.filter((value) => value === `Bearer ${token}`).length;
  const never = search?.found === false ? 'never had it' : 'HAD IT';
  print(
    `${String(attempts.length)} ways out tried, ${String(out)} got through. ` +
      `The API saw the real token ${String(real)} times; the bottle ${never}.`,
  );
  const counted = (decision: Decision): number => decisions.filter((one) => one === decision).length;
  print(
    `The record, kept outside, has all of it: ${String(counted('allow'))} requests allowed, ${String(counted('deny'))} refused.`,
  );
  const broken = Object.entries({
    [`the run ended with ${String(code)}:\n${complaints}`]: code !== 0,
    'the work was not done': work === undefined || work.statuses.length !== 3 || work.statuses.some((s) => s !== 200),
    'not every way out was tried': !Object.keys(EXPECTED).every((id) => attempts.some((one) => one.id === id)),
    'something got through': out > 0,
    'an attempt ended in another way than it should': verdicts.some(({ held }) => !held),
    'the API saw other requests than the three of the work': real !== 3 || api.authorizations.length !== 3,
    'the token was found inside, or nobody looked': search?.found !== false || search.looked === 0,
    'the record does not hold the refusals': counted('allow') < 3 || counted('deny') < 6,
  }).flatMap(([what, isSo]) => (isSo ? [what] : []));
  print();
  for (const what of broken) print(`FAILED  ${what}`);
  if (broken.length > 0) return false;
  print('Next:  npx bot-bottle run -- bash     look around inside');
  print('       npx bot-bottle doctor          see what this machine can do');
  print('       npx bot-bottle init            write your first bottle');
  return true;
}

function judge({ id, seen, out }: Attempt): { readonly said: string; readonly rule: string; readonly held: boolean } {
  const expected = EXPECTED[id];
  const held = !out && expected?.seen.test(seen) === true;
  return { said: held ? seen : `${out ? 'GOT OUT' : 'UNCLEAR'}: ${seen}`, rule: expected?.rule ?? '-', held };
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    print(` ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ')}`.trimEnd());
}

async function main(): Promise<number> {
  if (!setup('needed')) return 1;
  const stopping = new AbortController();
  let status = 1;
  const interrupt = (signal: NodeJS.Signals): void => {
    status = 128 + os.constants.signals[signal];
    stopping.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  const deadline = setTimeout(() => {
    print('the demo takes too long and is stopped');
    stopping.abort();
  }, DEADLINE_MS);
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-demo-'));
  try {
    return (await demo(root, stopping.signal)) ? 0 : status;
  } finally {
    clearTimeout(deadline);
    fs.rmSync(root, { recursive: true, force: true });
  }
}

process.exitCode = await main();
