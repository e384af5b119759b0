import { describe, expect, test } from 'vitest';
import { judge, type Expectations, type KernelAccount } from '../../src/backends/common/account.ts';

const CAPS = Object.fromEntries(['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => [`Cap${set}`, '0000000000000000']));
const kinds = ['user', 'pid', 'net', 'ipc', 'uts', 'mnt'];
const account: KernelAccount = {
  namespaces: Object.fromEntries(kinds.map((kind) => [kind, `${kind}:[2]`])),
  hostNamespaces: Object.fromEntries(kinds.map((kind) => [kind, `${kind}:[1]`])),
  status: { ...CAPS, Seccomp: '2', NoNewPrivs: '1', Groups: '', Uid: '7 7 7 7' },
  mounts: [
    { point: '/', readOnly: true },
    { point: '/proc/sys', readOnly: true },
    { point: '/tmp', readOnly: false },
  ],
  uidMap: [[1000, 7, 1]],
  gidMap: [[1000, 7, 1]],
  routes: [],
  interfaces: ['lo'],
  executable: '/opt/bot-bottle/node',
};
const expectations: Expectations = {
  hostUid: 7,
  hostGid: 7,
  insideUid: 1000,
  insideGid: 1000,
  noGroups: true,
  readOnly: ['/', '/proc/sys'],
  writable: ['/tmp'],
};
const failed = (change: Partial<KernelAccount>): readonly string[] =>
  judge({ ...account, ...change }, expectations).flatMap(({ id, held }) => (held ? [] : [id]));

describe("S4 the kernel's account is judged", () => {
  test('all holds as it should be', () => {
    expect(failed({})).toEqual([]);
  });

  test.each<{ why: string; change: Partial<KernelAccount>; ids: string[] }>([
    {
      why: 'a program could gain rights',
      change: { status: { ...account.status, NoNewPrivs: '0' } },
      ids: ['no-new-privs'],
    },
    {
      why: 'a field is missing',
      change: { status: {} },
      ids: ['seccomp-on', 'no-new-privs', 'caps-empty', 'uid-own', 'no-groups'],
    },
    {
      why: 'a second user is mapped',
      change: {
        uidMap: [
          [1000, 7, 1],
          [0, 0, 1],
        ],
      },
      ids: ['uid-own'],
    },
    {
      why: 'a group of the operator is left',
      change: { status: { ...account.status, Groups: '27' } },
      ids: ['no-groups'],
    },
    { why: 'there is a way out', change: { routes: ['eth0 00000000'] }, ids: ['no-routes'] },
    { why: 'an interface was moved in', change: { interfaces: ['lo', 'eth0'] }, ids: ['loopback-only-outside'] },
    {
      why: 'a mount nobody planned',
      change: { mounts: [...account.mounts, { point: '/root', readOnly: true }] },
      ids: ['mounts-expected'],
    },
    {
      why: 'a link of a namespace could not be read',
      change: { namespaces: {} },
      ids: kinds.map((kind) => `${kind}-namespace-own`),
    },
    { why: 'another program runs', change: { executable: '/tmp/node' }, ids: ['probe-runs'] },
  ])('$why: $ids', ({ change, ids }) => {
    expect(failed(change)).toEqual(ids);
  });
});
