import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pollUntil } from '../../src/launch/readiness.ts';
import { MARK } from '../../src/platform/processes.ts';
import { configOf, secretsOf } from '../egress/support/harness.ts';
import { ask, gone, identities, IS_ROOT } from './support/bundle.ts';
import { startLauncher, USERS, type LaunchedBundle } from './support/launcher.ts';

const LookSchema = z.object({
  env: z.record(z.string(), z.string()),
  execArgv: z.array(z.string()),
  cwd: z.string(),
  cwdEntries: z.array(z.string()),
  root: z.array(z.string()),
  etc: z.array(z.string()),
  tmp: z.string(),
  descriptors: z.array(z.string()),
  uid: z.int(),
  groups: z.string(),
  seccomp: z.string(),
  noNewPrivs: z.string(),
  capabilities: z.array(z.string()),
  coreLimit: z.array(z.string()),
  processes: z.array(z.string()),
  interfaces: z.array(z.string()),
});
const TriedSchema = z.object({ read: z.record(z.string(), z.unknown()), write: z.record(z.string(), z.unknown()) });

const procText = (pid: number, file: string): string => fs.readFileSync(`/proc/${pid}/${file}`, 'latin1');
const statusOf = (pid: number, field: string): string =>
  new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(procText(pid, 'status'))?.[1] ?? '';
const namespaceOf = (pid: number | 'self', name: string): string => fs.readlinkSync(`/proc/${pid}/ns/${name}`);

function codeOf(failure: unknown): unknown {
  return failure instanceof Error && 'code' in failure ? failure.code : null;
}

/** Our own two processes; the boxes' belong to bubblewrap. */
function ours({ pids }: LaunchedBundle): { readonly init: number; readonly service: number } {
  expect(pids).toHaveLength(6);
  return { init: pids[2]!, service: pids[5]! };
}

describe.each(USERS)('S5 the boxes of a bundle that $user started', ({ uid }) => {
  it('S5 from inside: nothing of the host but libraries, nothing inherited, no privilege, no core file', async () => {
    await using bundle = await startLauncher({}, { uid });
    const look = LookSchema.parse(await ask(bundle.port, { ask: 'look' }));
    expect(look).toMatchObject({
      env: { LANG: 'C.UTF-8', PWD: '/empty' },
      execArgv: ['--disable-sigusr1', '--no-warnings', '--max-semi-space-size=2'],
      cwd: '/empty',
      cwdEntries: [],
      tmp: 'ENOENT',
      uid: 65534,
      seccomp: '2',
      noNewPrivs: '1',
      capabilities: Array.from({ length: 5 }, () => '0000000000000000'),
      coreLimit: ['0', '0'],
    });
    const socket = 'socket:[]';
    expect(look.descriptors.toSpliced(4, 1)).toEqual(['/dev/null', socket, socket, socket, expect.any(String), socket]);
    expect(look.descriptors[4], 'the pipe that the secrets came by').not.toBe(socket);
    expect(Object.keys(look.env).sort()).toEqual(['LANG', 'PWD']);
    const top = ['control', 'spill', 'dev', 'empty', 'etc', 'lib', 'lib64', 'opt', 'proc', 'usr'];
    expect(look.root.filter((name) => !top.includes(name))).toEqual([]);
    const files = ['gai.conf', 'host.conf', 'hosts', 'ld.so.cache', 'nsswitch.conf', 'resolv.conf'];
    expect(look.etc.filter((name) => !files.includes(name))).toEqual([]);
    expect(look.processes).toHaveLength(2);
    if (IS_ROOT && uid === null) expect(look.groups).toBe('');
  });

  it("S5 from inside: no other service's memory, environment or files, and only its own directory to write in", async () => {
    await using bundle = await startLauncher({}, { uid });
    const { init } = ours(bundle);
    const read = [
      ...['environ', 'mem', 'cmdline', 'root/empty'].map((file) => `/proc/${init}/${file}`),
      path.join(bundle.root, 'record.jsonl'),
      path.join(bundle.stageRoot, 'stage-init/service.js'),
      ...[
        '/etc/passwd',
        '/etc/shadow',
        '/etc/ssl/openssl.cnf',
        os.homedir(),
        '/root',
        '/home',
        '/run',
        '/var',
        '/tmp',
        '/sys',
      ],
    ];
    const write = [
      '/',
      '/empty',
      '/dev',
      '/dev/shm',
      '/etc',
      '/opt/bot-bottle',
      '/usr/lib',
      '/proc',
      '/proc/sys/kernel',
      '/tmp',
    ];
    const tried = TriedSchema.parse(await ask(bundle.port, { ask: 'try', read, write: [...write, '/control'] }));
    expect(Object.entries(tried.read).filter(([, outcome]) => outcome !== 'ENOENT')).toEqual([]);
    expect(Object.entries(tried.write).filter(([, outcome]) => outcome === 'written')).toEqual([
      ['/control', 'written'],
    ]);
    expect(fs.readdirSync(path.join(bundle.root, 'control'))).toEqual(['planted']);
  });

  it('S5 by the kernel’s account: namespaces of their own, init without network, no root, and a uid each', async () => {
    await using bundle = await startLauncher({}, { uid });
    const { init, service } = ours(bundle);
    for (const name of ['user', 'mnt', 'pid', 'ipc', 'uts']) {
      const each = [namespaceOf('self', name), namespaceOf(init, name), namespaceOf(service, name)];
      expect(new Set(each).size, name).toBe(3);
    }
    expect(namespaceOf(service, 'net')).toBe(namespaceOf('self', 'net'));
    expect(namespaceOf(init, 'net')).not.toBe(namespaceOf('self', 'net'));
    const interfaces = procText(init, 'net/dev').split('\n').slice(2).filter(Boolean);
    expect(interfaces.map((line) => line.trim().split(':')[0])).toEqual(['lo']);
    for (const pid of [init, service]) {
      expect(statusOf(pid, 'Seccomp')).toBe('2');
      expect(statusOf(pid, 'NoNewPrivs')).toBe('1');
      for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(statusOf(pid, set)).toMatch(/^0+$/);
      expect(procText(pid, 'limits')).toMatch(/^Max core file size\s+0\s+0/m);
      expect(fs.readdirSync(`/proc/${pid}/root/empty`)).toEqual([]);
    }
    const hostUids = [init, service].map((pid) => Number(statusOf(pid, 'Uid').split('\t')[0]));
    expect(hostUids).not.toContain(0);
    if (IS_ROOT && uid === null) expect(new Set(hostUids).size).toBe(2);
  });

  it.each([{ box: 'boxed' }, { box: 'unboxed' }])(
    'kill -9 of the launcher leaves no process of a bundle, $box',
    async ({ box }) => {
      await using bundle = await startLauncher({ unboxed: box === 'unboxed' }, { uid });
      const all = identities(bundle.pids);
      const exit = once(bundle.launcher, 'exit');
      bundle.launcher.kill('SIGKILL');
      await exit;
      await gone(all);
      await pollUntil('the end of the listener', 10_000, async () =>
        (await ask(bundle.port, { ask: 'who' }).catch(codeOf)) === 'ECONNREFUSED' ? true : null,
      );
    },
  );
});

const SECRET = 'sk_live_S5pl4ntedInTheRealGateway';
const TOKEN = 'ghp_S5pl4ntedTokenOfTheRealGateway';

function startRealGateway(uid: number | null, env: Readonly<Record<string, string>>): Promise<LaunchedBundle> {
  const options = { knownValues: { STRIPE_KEY: SECRET }, tokens: { GH_TOKEN: TOKEN } };
  const document = {
    config: configOf(options, [], 1),
    secrets: secretsOf(options),
    listeners: [{ role: 'proxy', fd: 6 }],
    peers: null,
    controlDirectory: '/control',
    spillDirectory: '/spill',
  };
  return startLauncher({ script: path.resolve('dist/egress.js'), document }, { uid, env });
}

async function statusFromProxy(port: number, target: string): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.write(`GET ${target} HTTP/1.1\r\nHost: ${new URL(target).host}\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text.slice(0, text.indexOf('\r\n'));
}

/** Ports that a process listens on, by the kernel's account. */
function listeningPorts(pid: number): readonly number[] {
  const inodes = new Set(
    fs.readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      // A connection may be closed between the list and the look.
      const [link = ''] = safely(() => [fs.readlinkSync(`/proc/${pid}/fd/${fd}`)]);
      return /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [];
    }),
  );
  return ['net/tcp', 'net/tcp6'].flatMap((file) =>
    procText(pid, file)
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && inodes.has(fields[9] ?? ''))
      .map((fields) => parseInt(fields[1]?.split(':').at(-1) ?? '', 16)),
  );
}

/** Everything that lies below, and the files where a planted value is found. */
function treeOf(directory: string): readonly string[] {
  return fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
}
function filesWith(directory: string, values: readonly string[]): readonly string[] {
  return treeOf(directory).filter((name) => {
    const file = path.join(directory, name);
    return fs.statSync(file).isFile() && values.some((value) => fs.readFileSync(file, 'latin1').includes(value));
  });
}
/** Of every process of the machine. */
function processesWith(values: readonly string[]): readonly string[] {
  const files = fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
  return files.filter((file) => {
    try {
      const text = fs.readFileSync(file, 'latin1');
      return values.some((value) => text.includes(value));
    } catch {
      // Ended meanwhile, or another user's.
      return false;
    }
  });
}

describe.each(USERS)('S5 the real gateway in a bundle that $user started in a hostile environment', ({ uid }) => {
  it('S5 G-SECRET a hostile environment changes nothing, secrets are in no argv, environment or file, signals open nothing', async () => {
    const trap = fs.mkdtempSync(path.join(os.tmpdir(), 'trap-'));
    fs.chmodSync(trap, 0o777);
    const preload = ['libBrokenLocale.so.1', 'libthread_db.so.1']
      .map((name) => path.join('/usr/lib', process.arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu', name))
      .find((file) => fs.existsSync(file));
    const hostile = {
      NODE_OPTIONS: '--inspect=127.0.0.1:0 --report-on-signal --report-signal=SIGQUIT',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_EXTRA_CA_CERTS: path.join(trap, 'ca.pem'),
      NODE_V8_COVERAGE: path.join(trap, 'coverage'),
      SSLKEYLOGFILE: path.join(trap, 'keys'),
      HTTPS_PROXY: 'http://192.0.2.1:3128',
      ...(preload === undefined ? {} : { LD_PRELOAD: preload }),
    };
    try {
      await using bundle = await startRealGateway(uid, hostile);
      const { init, service } = ours(bundle);
      const refusal = await statusFromProxy(bundle.port, 'http://no.example/');
      expect(refusal).toMatch(/^HTTP\/1\.1 403 /);

      for (const pid of bundle.pids) {
        const names = procText(pid, 'environ')
          .split('\0')
          .filter(Boolean)
          .map((pair) => pair.split('=')[0] ?? '');
        expect(names.filter((name) => !['PATH', 'LANG', 'PWD', 'OLDPWD', 'SHLVL', '_', MARK].includes(name))).toEqual(
          [],
        );
        if (preload !== undefined) expect(procText(pid, 'maps')).not.toContain(path.basename(preload));
      }
      expect(processesWith([SECRET, TOKEN])).toEqual([]);
      expect(listeningPorts(service)).toEqual([bundle.port]);
      expect(listeningPorts(init)).toEqual([]);
      const before = [...treeOf(bundle.root), ...treeOf(bundle.stageRoot)];

      for (const signal of ['SIGUSR1', 'SIGQUIT'] as const) {
        process.kill(init, signal);
        const served = await servingGateway(bundle);
        process.kill(served, signal);
        const after = await pollUntil('the gateway after the signal', 20_000, async () => {
          const now = await servingGateway(bundle);
          return (await statusFromProxy(bundle.port, 'http://no.example/').catch(() => '')).includes(' 403 ')
            ? now
            : null;
        });
        expect(listeningPorts(after)).toEqual([bundle.port]);
        expect(listeningPorts(init)).toEqual([]);
      }
      expect([...treeOf(bundle.root), ...treeOf(bundle.stageRoot)]).toEqual(before);
      expect(filesWith(bundle.root, [SECRET, TOKEN])).toEqual([]);
      expect(filesWith(bundle.stageRoot, [SECRET, TOKEN])).toEqual([]);
      expect(treeOf(trap).filter((name) => !name.startsWith('coverage'))).toEqual([]);
      expect(filesWith(trap, [SECRET, TOKEN])).toEqual([]);
    } finally {
      fs.rmSync(trap, { recursive: true });
    }
  });
});

/** The process that holds the launcher's listener as its sixth descriptor; another one after each restart. */
function servingGateway({ launcher, port }: LaunchedBundle): Promise<number> {
  return pollUntil('the gateway', 20_000, () => {
    const children = descendants(z.int().parse(launcher.pid));
    return children.find((pid) => isNode(pid) && safely(() => listeningPorts(pid)).includes(port)) ?? null;
  });
}

function isNode(pid: number): boolean {
  return safely(() => [procText(pid, 'cmdline')])[0]?.startsWith('/opt/bot-bottle/node\0') === true;
}

function descendants(pid: number): readonly number[] {
  const children = safely(() => procText(pid, `task/${pid}/children`).split(' ').filter(Boolean).map(Number));
  return [...children, ...children.flatMap(descendants)];
}

/** A process, or a descriptor of its, may end while it is looked at. */
function safely<Value>(look: () => readonly Value[]): readonly Value[] {
  try {
    return look();
  } catch {
    // Then it is not what we look for.
    return [];
  }
}
