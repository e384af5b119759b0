import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerBody } from '../../src/backends/docker/container.ts';
import { planContainer, type DockerFacts } from '../../src/backends/docker/plan.ts';
import { nodeRuntime } from '../../src/backends/docker/runtime-files.ts';
import { blocksWithout, seccompProfile } from '../../src/backends/docker/seccomp-profile.ts';
import { demultiplexer } from '../../src/backends/docker/streams.ts';
import { SECCOMP_ENTRIES, type ArgumentTest } from '../../src/backends/common/seccomp.ts';
import { testPlan } from './support/bottle.ts';

const FACTS: DockerFacts = {
  uid: 0,
  operatorHome: '/home/op',
  image: { id: 'sha256:abc', variables: ['PATH', 'EVIL'], volumes: ['/data'] },
  runtime: null,
  loader: 'ld-linux-x86-64.so.2',
};
const PLACE = {
  stateDirectory: '/state/x',
  madeDirectory: '/run/x/made',
  node: '/opt/node',
  probe: '/opt/probe.js',
  loader: 'ld-linux-x86-64.so.2',
  uid: 2_000_001,
  gid: 2_000_001,
  terminal: false,
  labels: {},
};

describe('H16 the plan of a container', () => {
  it('is the same for the same bottle, and plain data', () => {
    const bottle = testPlan();
    expect(planContainer(bottle, FACTS)).toEqual(planContainer(bottle, FACTS));
    expect(JSON.parse(JSON.stringify(planContainer(bottle, FACTS)))).toEqual(planContainer(bottle, FACTS));
  });

  it('asks the engine for every wall', () => {
    const body = containerBody(planContainer(testPlan({ slug: 'walls' }), FACTS), PLACE);
    expect(body).toMatchObject({
      Image: 'sha256:abc',
      User: '2000001:2000001',
      Hostname: 'walls',
      Healthcheck: { Test: ['NONE'] },
      HostConfig: {
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        Privileged: false,
        PidMode: '',
        IpcMode: 'private',
        Init: true,
        LogConfig: { Type: 'none' },
        RestartPolicy: { Name: 'no' },
        Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '1024' },
      },
    });
    const text = JSON.stringify(body);
    expect(text).toContain('no-new-privileges:true');
    expect(text).not.toContain('PortBindings');
    expect(text).not.toContain('docker.sock');
  });

  it('S4 starts the probe with nothing of the image: not its variables, its loader nor its preload file', () => {
    const { Env, Entrypoint, HostConfig } = structuredBody();
    expect(Env).toEqual(expect.arrayContaining(['EVIL=', 'LD_PRELOAD=', 'NODE_OPTIONS=', 'PATH=']));
    expect(Entrypoint.slice(0, 4)).toEqual([
      '/opt/bot-bottle/lib/ld-linux-x86-64.so.2',
      '--library-path',
      '/opt/bot-bottle/lib',
      '/opt/bot-bottle/node',
    ]);
    expect(HostConfig.Mounts).toContainEqual(
      expect.objectContaining({ Target: '/etc/ld.so.preload', Source: '/run/x/made/empty', ReadOnly: true }),
    );
  });

  it('keeps what an image calls a volume in memory, and nothing on the engine’s disk', () => {
    expect(Object.keys(structuredBody().HostConfig.Tmpfs)).toContain('/data');
  });
});

function structuredBody(): {
  Env: string[];
  Entrypoint: string[];
  HostConfig: { Mounts: object[]; Tmpfs: object };
} {
  return JSON.parse(JSON.stringify(containerBody(planContainer(testPlan(), FACTS), PLACE))) as ReturnType<
    typeof structuredBody
  >;
}

describe('the system call filter in the engine’s form', () => {
  const word = fc.integer({ min: 0, max: 0xffffffff });

  it('blocks and the values they leave out are together every number, once', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), word, (values, number) => {
        const fitting = blocksWithout(values).filter(
          ({ mask, value }) => Number(BigInt(number) & BigInt(mask)) === value,
        );
        expect(fitting.length).toBe(values.includes(number) ? 0 : 1);
      }),
    );
  });

  /** As the engine reads it: a rule fits when all of its arguments do. */
  const refused = (name: string, args: readonly number[]): boolean =>
    seccompProfile(false).syscalls.some(
      (rule) =>
        rule.names.includes(name) &&
        rule.args.every(
          ({ index, value, valueTwo }) => (BigInt(args[index] ?? 0) & BigInt(value)) === BigInt(valueTwo),
        ),
    );
  const holds = (test: ArgumentTest, args: readonly number[]): boolean => {
    const argument = (args[test.argument] ?? 0) >>> 0;
    switch (test.test) {
      case 'any-bit-of':
        return (argument & test.mask) !== 0;
      case 'one-of':
        return test.values.some((value) => value >>> 0 === argument);
      case 'none-of':
        return !test.values.some((value) => value >>> 0 === argument);
    }
  };

  it('refuses what bubblewrap’s filter refuses, whatever the arguments', () => {
    const interesting = fc.oneof(
      word,
      fc.constantFrom(0, 1, 2, 8, 10, 16, 17, 0x8, 0x20000, 0x5412, 0x541c, 0x10000000, 0xffffffff),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...SECCOMP_ENTRIES),
        fc.array(interesting, { minLength: 3, maxLength: 3 }),
        (entry, args) => {
          const same = SECCOMP_ENTRIES.filter(({ syscalls }) => syscalls.some((name) => entry.syscalls.includes(name)));
          const expected = same.some(({ when }) => when.every((test) => holds(test, args)));
          for (const name of entry.syscalls) expect(refused(name, args), `${name} ${args.join(' ')}`).toBe(expected);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('looks at no more than the low half of an argument, which is all the kernel looks at', () => {
    const masks = seccompProfile(false).syscalls.flatMap(({ args }) => args.map(({ value }) => value));
    expect(masks.every((mask) => mask <= 0xffffffff)).toBe(true);
  });
});

describe('the engine’s framing of streams', () => {
  it('gives the same bytes to each stream, however the connection is cut', () => {
    const frame = fc.record({ kind: fc.constantFrom(1, 2), bytes: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.array(fc.nat({ max: 12 }), { maxLength: 60 }),
        (frames, cuts) => {
          const wire = Buffer.concat(
            frames.map(({ kind, bytes }) => {
              const header = Buffer.alloc(8);
              header[0] = kind;
              header.writeUInt32BE(bytes.length, 4);
              return Buffer.concat([header, bytes]);
            }),
          );
          const read = demultiplexer();
          const seen = { stdout: '', stderr: '' };
          for (let at = 0, cut = 0; at < wire.length; cut += 1) {
            const size = Math.max(1, cuts[cut] ?? wire.length);
            for (const { stream, bytes } of read(wire.subarray(at, at + size))) seen[stream] += bytes.toString('hex');
            at += size;
          }
          const wanted = (kind: number): string =>
            frames
              .filter((one) => one.kind === kind)
              .map(({ bytes }) => Buffer.from(bytes).toString('hex'))
              .join('');
          expect(seen).toEqual({ stdout: wanted(1), stderr: wanted(2) });
        },
      ),
    );
  });
});

describe('what our node runs with', () => {
  it('is found by the names that programs ask for', () => {
    const maps = [
      '7f00-7f01 r-xp 0 00:00 1 /usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30',
      '7f00-7f01 r-xp 0 00:00 1 /usr/lib/x86_64-linux-gnu/libc.so.6',
      '7f00-7f01 r-xp 0 00:00 1 /usr/lib/x86_64-linux-gnu/libatomic.so.1.2.0',
      '7f00-7f01 r-xp 0 00:00 1 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
      '7f00-7f01 r-xp 0 00:00 1 /home/op/project/evil/libc.so.6',
      '7f00-7f01 r-xp 0 00:00 1 /usr/bin/node',
      '7f00-7f01 rw-p 0 00:00 0 [heap]',
    ].join('\n');
    const { files, loader } = nodeRuntime(maps);
    expect([...files.keys()].sort()).toEqual(['ld-linux-x86-64.so.2', 'libatomic.so.1', 'libc.so.6', 'libstdc++.so.6']);
    expect(files.get('libc.so.6')).toBe('/usr/lib/x86_64-linux-gnu/libc.so.6');
    expect(loader).toBe('ld-linux-x86-64.so.2');
  });

  it('has a loader and a C library here', () => {
    const { files, loader } = nodeRuntime();
    expect(loader).not.toBeNull();
    expect([...files.keys()]).toContain('libc.so.6');
  });
});
