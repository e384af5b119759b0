import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { LineReader } from '../../src/platform/line-reader.ts';
import { InitOrderSchema, type InitEvent, type InitOrder } from '../../src/schema/bundle.ts';

/** The built init, with the test in the launcher's place. */
class Init {
  readonly child: ChildProcess;
  readonly orders: InitOrder[] = [];
  stderr = '';
  readonly #closed: Promise<unknown>;
  #wake = (): void => undefined;

  constructor(document: string) {
    this.child = spawn(process.execPath, ['--disable-sigusr1', path.resolve('dist/init.js')], {
      env: {},
      cwd: '/',
      stdio: ['pipe', 'ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.#closed = once(this.child, 'close');
    const [stdin, , stderr, orders, secrets] = this.child.stdio as readonly [
      Writable,
      null,
      Readable,
      Readable,
      Writable,
    ];
    for (const pipe of [stdin, secrets]) pipe.on('error', () => undefined);
    secrets.end(document);
    stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    const lines = new LineReader(64 * 1024 * 1024);
    orders.on('data', (chunk: Buffer) => {
      this.orders.push(...(lines.push(chunk) ?? []).map((line) => InitOrderSchema.parse(JSON.parse(line))));
      this.#wake();
    });
  }

  get pid(): number {
    return z.int().parse(this.child.pid);
  }

  tell(event: InitEvent): void {
    this.say(`${JSON.stringify(event)}\n`);
  }

  say(text: string): void {
    this.child.stdin?.write(text);
  }

  /** The order with this number, counted from 0. */
  async order(index: number): Promise<InitOrder> {
    for (;;) {
      const order = this.orders[index];
      if (order !== undefined) return order;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async exit(): Promise<number | null> {
    await this.#closed;
    return this.child.exitCode;
  }
}

const inits: Init[] = [];
afterEach(async () => {
  for (const init of inits.splice(0)) {
    init.child.kill('SIGKILL');
    await init.exit();
  }
});

const SECRET = 'sk_live_pL4ntedW1thIn1tOnly';
function startInit(document = SECRET): Init {
  return startRaw(JSON.stringify({ services: [{ name: 'egress', document }] }));
}
function startRaw(text: string): Init {
  const init = new Init(text);
  inits.push(init);
  return init;
}

const exited = (instance: number, code: number | null, signal: string | null = null): InitEvent => ({
  event: 'exited',
  service: 'egress',
  instance,
  code,
  signal,
});
const READY: InitEvent = { event: 'ready', service: 'egress', instance: 1 };
const TERM_1: InitOrder = { order: 'signal', service: 'egress', instance: 1, signal: 'SIGTERM' };

describe('init as a process', () => {
  it('orders the service with its document, whole however long', async () => {
    const document = `${'ä"\\\n'.repeat(200_000)}end`;
    const init = startInit(document);
    expect(await init.order(0)).toEqual({ order: 'spawn', service: 'egress', instance: 1, document });
  });

  it('S5 keeps the secret in memory alone: pipe closed, nothing in argv or environment', async () => {
    const init = startInit();
    await init.order(0);
    for (const file of ['cmdline', 'environ']) {
      expect(fs.readFileSync(`/proc/${init.pid}/${file}`, 'latin1')).not.toContain(SECRET);
    }
    const sockets = [0, 1, 2, 3, 4].map((fd) => {
      const link = `/proc/${init.pid}/fd/${fd}`;
      return fs.existsSync(link) || fs.lstatSync(link, { throwIfNoEntry: false }) !== undefined
        ? fs.readlinkSync(link).replace(/\d+/, '')
        : 'closed';
    });
    expect(sockets.slice(0, 4)).toEqual(['socket:[]', '/dev/null', 'socket:[]', 'socket:[]']);
    expect(sockets[4]).not.toBe('socket:[]');
  });

  it.each<{ why: string; events: readonly InitEvent[]; status: number; orders: readonly unknown[] }>([
    {
      why: 'a stop that was asked for and completed',
      events: [READY, { event: 'stop' }, exited(1, 0)],
      status: 0,
      orders: [TERM_1, { order: 'end', status: 0, reason: 'stop requested' }],
    },
    {
      why: 'crashes before the stop are events, not the status',
      events: [exited(1, null, 'SIGSEGV'), { event: 'stop' }],
      status: 0,
      orders: [
        { order: 'note', text: 'egress ended unasked (killed by SIGSEGV)' },
        { order: 'end', status: 0, reason: 'stop requested' },
      ],
    },
    {
      why: 'a service that fails while it stops is an event too',
      events: [READY, { event: 'stop' }, exited(1, 139)],
      status: 0,
      orders: [
        TERM_1,
        { order: 'note', text: 'egress ended with killed by SIGSEGV' },
        { order: 'end', status: 0, reason: 'stop requested' },
      ],
    },
  ])('H11 $why → $status', async ({ events, status, orders }) => {
    const init = startInit();
    for (const event of events) init.tell(event);
    expect(await init.exit()).toBe(status);
    expect(init.orders.slice(1)).toEqual(orders);
  });

  it('H11 what has to be forced → 1', async () => {
    const init = startInit();
    init.tell(READY);
    init.tell({ event: 'stop' });
    expect(await init.order(2)).toMatchObject({ order: 'signal', signal: 'SIGKILL' });
    init.tell(exited(1, 137));
    expect(await init.exit()).toBe(1);
  });

  it('H11 a service that can not come back → 1, with the reason', async () => {
    const init = startInit();
    for (let instance = 1; instance <= 6; instance += 1) {
      const spawned = (instance - 1) * 2;
      expect(await init.order(spawned)).toMatchObject({ order: 'spawn', instance });
      init.tell(exited(instance, 3));
    }
    expect(await init.exit()).toBe(1);
    expect(init.orders.at(-1)).toEqual({
      order: 'end',
      status: 1,
      reason: "egress can't come back: it ended 6 times within 60 s, last exit 3",
    });
  });

  it('H10 a thousand signals during restarts change nothing; of a thousand stops one is carried out', async () => {
    const init = startInit();
    const noise = [
      'SIGHUP',
      'SIGINT',
      'SIGCHLD',
      'SIGUSR1',
      'SIGUSR2',
      'SIGQUIT',
      'SIGALRM',
      'SIGPIPE',
      'SIGWINCH',
    ] as const;
    let instance = 1;
    await init.order(0);
    for (let sent = 0; sent < 1_000; sent += 1) {
      init.child.kill(noise[sent % noise.length]);
      if (sent % 50 !== 0) continue;
      // Restarts asked for again and again, of which each instance makes one.
      for (let repeat = 0; repeat < 20; repeat += 1) init.tell({ event: 'restart', service: 'egress' });
      expect(await init.order(instance * 2 - 1)).toEqual({ ...TERM_1, instance });
      init.tell(exited(instance, 0));
      instance += 1;
      expect(await init.order(instance * 2 - 2)).toMatchObject({ order: 'spawn', instance });
    }
    const before = init.orders.length;
    for (let sent = 0; sent < 1_000; sent += 1) init.child.kill('SIGTERM');
    for (let sent = 0; sent < 1_000; sent += 1) init.tell({ event: 'stop' });
    expect(await init.order(before)).toEqual({ ...TERM_1, instance });
    for (let sent = 0; sent < 100; sent += 1) init.child.kill('SIGTERM');
    init.tell(exited(instance, 0));
    expect(await init.exit()).toBe(0);
    expect(init.orders.slice(before + 1)).toEqual([{ order: 'end', status: 0, reason: 'stop requested' }]);
    expect(init.stderr).toBe('');
    // Twenty restarts and the stop: never two live instances of the service.
    let live = 0;
    for (const order of init.orders) {
      if (order.order === 'spawn') live += 1;
      if (order.order === 'signal') live -= 1;
      expect(live).toBeLessThanOrEqual(1);
    }
    expect(instance).toBe(21);
  });

  it('the next instance gets the newest document, and the present one is left alone', async () => {
    const init = startInit('old');
    await init.order(0);
    init.say(
      ['new', 'newer', 'newest']
        .map((document) => `${JSON.stringify({ event: 'document', service: 'egress', document })}\n`)
        .join(''),
    );
    init.say(`${JSON.stringify({ event: 'restart', service: 'egress' })}\n`);
    expect(await init.order(1)).toEqual(TERM_1);
    init.tell(exited(1, 0));
    expect(await init.order(2)).toEqual({ order: 'spawn', service: 'egress', instance: 2, document: 'newest' });
  });

  it('the launcher is gone: so is init', async () => {
    const init = startInit();
    await init.order(0);
    init.child.stdin?.end();
    expect(await init.exit()).toBe(1);
    expect(init.stderr).toBe('the launcher is gone\n');
  });

  it.each([
    { why: 'no document', document: '', says: 'not JSON' },
    { why: 'no service', document: '{"services":[]}', says: 'services' },
    { why: 'a service that nobody knows', document: '{"services":[{"name":"ftp","document":""}]}', says: 'name' },
  ])('refuses to begin with $why', async ({ document, says }) => {
    const init = startRaw(document);
    expect(await init.exit()).toBe(1);
    expect(init.stderr).toContain(says);
    expect(init.orders).toEqual([]);
  });

  it.each([
    { why: 'no JSON', text: 'stop\n' },
    { why: 'an unknown event', text: '{"event":"dance"}\n' },
    { why: 'an event with more than belongs to it', text: '{"event":"stop","force":true}\n' },
  ])('ends rather than guess at $why', async ({ text }) => {
    const init = startInit();
    await init.order(0);
    init.say(text);
    expect(await init.exit()).toBe(1);
    expect(init.stderr).toContain('the launcher said what init does not know');
    expect(init.stderr).not.toContain(SECRET);
  });
});
