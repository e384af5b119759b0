import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/launch/readiness.ts';
import { leftovers } from './support/leftovers.ts';
import { collect, World, type CliResult } from './support/world.ts';

/**
 * The environment that an operator's shell hands on, as it is meant and as it is not: each case works as if it were not
 * there, or is refused in one sentence. Never does it change what a bottle can do.
 */
const IS_ROOT = process.getuid?.() === 0;
const NOBODY = 65534;
const CLI = path.resolve('dist/cli.js');
const USERS: readonly { readonly uid: number | null }[] = [{ uid: null }, ...(IS_ROOT ? [{ uid: NOBODY }] : [])];

class Operator implements Disposable {
  readonly world = new World();
  readonly trap: string;
  readonly #uid: number | null;

  constructor(uid: number | null) {
    this.#uid = uid;
    this.trap = path.join(this.world.root, 'trap');
    fs.mkdirSync(this.trap);
    fs.chmodSync(this.world.root, 0o755);
    if (uid !== null) execFileSync('chown', ['-R', `${String(uid)}:${String(uid)}`, this.world.root]);
  }

  /** Through a shell, which sets what only a process can set of itself. */
  run(before: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<CliResult> {
    const { root, home, project } = this.world;
    const child = spawn('/bin/sh', ['-c', `${before}\nexec "$@"`, 'sh', process.execPath, CLI, ...args], {
      cwd: project,
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: root, BOT_BOTTLE_HOME: home, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(this.#uid === null ? {} : { uid: this.#uid, gid: this.#uid }),
    });
    return collect(child);
  }

  /** A program that would tell that it ran. */
  lay(name: string): string {
    const file = path.join(this.trap, name);
    fs.writeFileSync(file, `#!/bin/sh\necho ${name} >> ${this.trap}/sprung\nexit 1\n`, { mode: 0o755 });
    return file;
  }

  get sprung(): boolean {
    return fs.existsSync(path.join(this.trap, 'sprung'));
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

/** What a bottle says of itself: identity, file modes, what it can reach, and what came in with the environment. */
const LOOK = [
  'id -u',
  'umask',
  'echo made > made',
  'stat -c %a made',
  'env | grep -cE "HOSTILE|LD_PRELOAD|NODE_OPTIONS|GIT_DIR|BASH_ENV" || true',
  'cat /proc/net/dev | grep -vc "lo:" ',
].join('; ');
const RUN = ['run', '--workspace', 'none', '--', 'sh', '-c', `${LOOK}; exit 7`];
const SEEN = '1000\n0022\n644\n0\n2\n';

interface Case {
  readonly why: string;
  readonly before?: string;
  readonly env?: (operator: Operator) => Readonly<Record<string, string>>;
}

const HARMLESS: readonly Case[] = [
  { why: 'nothing at all' },
  { why: 'umask 000', before: 'umask 000' },
  { why: 'umask 777', before: 'umask 777' },
  { why: 'umask 077', before: 'umask 077' },
  { why: 'a small limit of open files', before: 'ulimit -n 256' },
  { why: 'core files asked for', before: 'ulimit -c unlimited' },
  { why: 'a small stack', before: 'ulimit -s 1024' },
  { why: 'ignored signals', before: "trap '' HUP INT TERM USR1 USR2 PIPE CHLD" },
  { why: 'a low priority', before: 'renice -n 5 -p $$ > /dev/null' },
  {
    why: 'variables of git',
    env: ({ trap }) => ({
      GIT_DIR: '/nonexistent',
      GIT_WORK_TREE: trap,
      GIT_INDEX_FILE: `${trap}/index`,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.fsmonitor',
      GIT_CONFIG_VALUE_0: `${trap}/fsmonitor`,
      GIT_CONFIG_GLOBAL: `${trap}/config`,
      GIT_SSH_COMMAND: `${trap}/ssh`,
      GIT_EXTERNAL_DIFF: `${trap}/diff`,
      GIT_PAGER: `${trap}/pager`,
      GIT_EDITOR: `${trap}/editor`,
      GIT_EXEC_PATH: trap,
      GIT_TEMPLATE_DIR: trap,
    }),
  },
  {
    why: 'startup files of shells',
    env: ({ trap }) => ({ BASH_ENV: `${trap}/rc`, ENV: `${trap}/rc`, PROMPT_COMMAND: `${trap}/rc` }),
  },
  {
    why: 'variables of the loader',
    env: ({ trap }) => ({ LD_LIBRARY_PATH: trap, GCONV_PATH: trap, LOCPATH: trap }),
  },
  {
    why: 'variables of Node.js for certificates and warnings',
    env: ({ trap }) => ({
      NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_PATH: trap,
      NODE_V8_COVERAGE: `${trap}/coverage`,
      NODE_DEBUG: '',
      SSLKEYLOGFILE: `${trap}/keys`,
    }),
  },
  {
    why: 'certificates and proxies',
    env: ({ trap }) => ({
      SSL_CERT_FILE: `${trap}/ca.pem`,
      SSL_CERT_DIR: trap,
      CURL_CA_BUNDLE: `${trap}/ca.pem`,
      HTTP_PROXY: 'http://192.0.2.1:3128',
      HTTPS_PROXY: 'http://192.0.2.1:3128',
      ALL_PROXY: 'socks5://192.0.2.1:1080',
      http_proxy: 'http://192.0.2.1:3128',
    }),
  },
  { why: 'PATH empty', env: () => ({ PATH: '' }) },
  { why: 'PATH relative', env: () => ({ PATH: '.:bin:..' }) },
  { why: 'PATH with a directory of traps in front', env: ({ trap }) => ({ PATH: `${trap}:/usr/bin:/bin` }) },
  { why: 'TMPDIR that is not there', env: () => ({ TMPDIR: '/nonexistent/tmp' }) },
  { why: 'TMPDIR with spaces and more', env: ({ trap }) => ({ TMPDIR: `${trap}/a b"c'$d` }) },
  { why: 'TMPDIR that is a file', env: ({ trap }) => ({ TMPDIR: `${trap}/bwrap` }) },
  { why: 'HOME that is not there', env: () => ({ HOME: '/nonexistent' }) },
  { why: 'HOME relative', env: () => ({ HOME: 'here' }) },
  { why: 'HOME empty', env: () => ({ HOME: '' }) },
  { why: 'no locale that exists', env: () => ({ LANG: 'xx_YY.UTF-8', LC_ALL: 'C', TZ: ':/nonexistent' }) },
  { why: 'a terminal that nobody knows', env: () => ({ TERM: '../../etc/passwd', COLUMNS: '-1', LINES: 'x' }) },
  { why: 'descriptors left open', before: 'exec 3</etc/hostname 7</etc/passwd 9>>"$HOME/left-open"' },
];

/** What our own programs are called that a launch starts. */
const TRAPS = ['bwrap', 'git', 'sh', 'mount', 'setpriv', 'unshare', 'certutil', 'cp', 'find', 'du', 'node', 'setsid'];

describe.each(USERS)('S5 what an operator’s shell hands on (uid $uid)', ({ uid }) => {
  it.each(HARMLESS)('$why changes nothing', async ({ before = '', env }) => {
    using operator = new Operator(uid);
    for (const name of [...TRAPS, 'fsmonitor', 'ssh', 'diff', 'pager', 'editor', 'rc']) operator.lay(name);
    const given = env?.(operator) ?? {};
    const { code, stdout, stderr } = await operator.run(before, RUN, given);
    expect({ code, stdout, stderr }).toEqual({ code: 7, stdout: SEEN, stderr: '' });
    expect(operator.sprung).toBe(false);
    expect(leftovers(operator.world)).toEqual([]);
  });

  it('whatever the umask, nobody else can read or write what is kept of a bottle', async () => {
    using operator = new Operator(uid);
    await operator.run('umask 000', RUN);
    const state = path.join(operator.world.home, 'state');
    const [slug = ''] = operator.world.slugs();
    expect(fs.statSync(state).mode & 0o066).toBe(0);
    for (const name of ['bottle.json', 'journal.jsonl', 'decisions.jsonl', 'services.log']) {
      expect(fs.statSync(path.join(state, slug, name)).mode & 0o077, name).toBe(0);
    }
    for (const name of ['workspace', 'home']) {
      expect(fs.statSync(path.join(state, slug, name)).mode & 0o007, name).toBe(0);
    }
    expect(fs.statSync(path.join(operator.world.home, 'bot-bottle.db')).mode & 0o077).toBe(0);
  });

  it.each([
    { why: 'hardly any open files', before: 'ulimit -n 20' },
    { why: 'no file may grow', before: 'ulimit -f 0' },
  ])('$why: no bottle, one sentence, nothing left', async ({ before }) => {
    using operator = new Operator(uid);
    const { code, stdout } = await operator.run(before, RUN);
    expect(code).not.toBe(7);
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    await pollUntil('a cleanup that leaves nothing', 10_000, async () => {
      await operator.run('', ['cleanup', '--yes']);
      return operator.world.slugs().length === 0 ? true : null;
    });
    expect(leftovers(operator.world)).toEqual([]);
  });
});
