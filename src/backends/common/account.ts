import type { WallCheck } from '../../ports/backend.ts';

/**
 * The kernel's account of the bottle's first process, read from outside (SECURITY S4): what it says can't be made up by
 * anything inside. Text is parsed once into facts; the judges are pure.
 */
export interface KernelAccount {
  /** `net:[4026531840]` by kind, of the bottle and of the launcher. */
  readonly namespaces: Readonly<Record<string, string>>;
  readonly hostNamespaces: Readonly<Record<string, string>>;
  readonly status: Readonly<Record<string, string>>;
  readonly mounts: readonly MountFact[];
  readonly uidMap: readonly (readonly number[])[];
  readonly gidMap: readonly (readonly number[])[];
  readonly routes: readonly string[];
  readonly interfaces: readonly string[];
  readonly executable: string;
}
export interface MountFact {
  readonly point: string;
  readonly readOnly: boolean;
}

export interface Expectations {
  readonly hostUid: number;
  readonly hostGid: number;
  readonly insideUid: number;
  readonly insideGid: number;
  /** Started by root: no supplementary group may be left. */
  readonly noGroups: boolean;
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
  /** The bottle's users are the host's by number: its user is then who it is everywhere, and not root. */
  readonly sharedUserNamespace?: boolean;
  /** What the probe may be started by, whole paths or directories; our node unless it is said. */
  readonly executable?: readonly string[];
}

const OWN_NAMESPACES = ['user', 'pid', 'net', 'ipc', 'uts', 'mnt'] as const;

export function parseStatus(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()] as const];
    }),
  );
}

export function parseMountInfo(text: string): readonly MountFact[] {
  return lines(text).map((line) => {
    const [, , , , point = '', options = ''] = line.split(' ');
    return { point: unescapeMount(point), readOnly: options.split(',').includes('ro') };
  });
}

/** The kernel writes blanks and backslashes of a mount point in octal. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

export function parseIdMap(text: string): readonly (readonly number[])[] {
  return lines(text).map((line) => line.trim().split(/\s+/).map(Number));
}

/** Lines after the heading; of `/proc/net/dev` the names. */
export const parseRoutes = (text: string): readonly string[] => lines(text).slice(1);
export const parseInterfaces = (text: string): readonly string[] =>
  lines(text)
    .slice(2)
    .map((line) => line.split(':')[0]?.trim() ?? '');

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

export function judge(account: KernelAccount, expect: Expectations): readonly WallCheck[] {
  return [
    ...OWN_NAMESPACES.filter((kind) => kind !== 'user' || expect.sharedUserNamespace !== true).map((kind) => {
      const own = account.namespaces[kind];
      const same = own === undefined || own === account.hostNamespaces[kind];
      return check(`${kind}-namespace-own`, 'G-CONFINED', 'another than the host', same ? [own ?? 'unknown'] : []);
    }),
    ...privileges(account.status),
    identity(account, expect),
    groups(account.status, expect),
    check('no-routes', 'G-NET', 'none', account.routes),
    check(
      'loopback-only-outside',
      'G-NET',
      'lo',
      account.interfaces.filter((name) => name !== 'lo'),
    ),
    ...mountChecks(account.mounts, expect),
    check(
      'probe-runs',
      'G-CONFINED',
      'our node',
      isOurs(account.executable, expect.executable ?? ['/opt/bot-bottle/node']) ? [] : [account.executable],
    ),
  ];
}

function isOurs(executable: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? executable.startsWith(place) : executable === place));
}

function privileges(status: Readonly<Record<string, string>>): readonly WallCheck[] {
  const field = (name: string, wanted: string): readonly string[] =>
    status[name] === wanted ? [] : [`${name} ${status[name] ?? 'missing'}`];
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'];
  return [
    check('seccomp-on', 'G-CONFINED', 'Seccomp 2', field('Seccomp', '2')),
    check('no-new-privs', 'G-CONFINED', 'NoNewPrivs 1', field('NoNewPrivs', '1')),
    check(
      'caps-empty',
      'G-CONFINED',
      'no capability',
      sets.flatMap((name) => field(name, '0000000000000000')),
    ),
  ];
}

function identity({ uidMap, gidMap, status }: KernelAccount, expect: Expectations): WallCheck {
  const wrong: string[] = [];
  const one = (name: string, map: KernelAccount['uidMap'], inside: number, host: number): void => {
    const [line, ...more] = map;
    if (more.length > 0 || line?.join(' ') !== `${String(inside)} ${String(host)} 1`) {
      wrong.push(`${name} ${map.map((entry) => entry.join(' ')).join('; ') || 'empty'}`);
    }
  };
  if (expect.sharedUserNamespace !== true) {
    one('uid_map', uidMap, expect.insideUid, expect.hostUid);
    one('gid_map', gidMap, expect.insideGid, expect.hostGid);
  }
  const uids = status['Uid']?.split(/\s+/) ?? [];
  if (uids.length !== 4 || uids.some((uid) => Number(uid) !== expect.hostUid)) wrong.push(`Uid ${uids.join(' ')}`);
  if (expect.noGroups && expect.hostUid === 0) wrong.push('host uid 0');
  return check('uid-own', 'G-CONFINED', `host uid ${String(expect.hostUid)} alone`, wrong);
}

function groups(status: Readonly<Record<string, string>>, expect: Expectations): WallCheck {
  const left = expect.noGroups ? (status['Groups'] ?? 'unknown').split(/\s+/) : [];
  // Where users are shared with the host an engine names the user's own group again.
  const own = expect.sharedUserNamespace === true ? String(expect.hostGid) : '';
  return check(
    'no-groups',
    'G-CONFINED',
    'no supplementary group',
    left.filter((group) => group !== '' && group !== own),
  );
}

function mountChecks(mounts: readonly MountFact[], expect: Expectations): readonly WallCheck[] {
  const below = (point: string, places: readonly string[]): boolean =>
    places.some((place) => point === place || (place !== '/' && point.startsWith(`${place}/`)));
  const known = new Set([...expect.readOnly, ...expect.writable]);
  const unexpected = mounts.filter(({ point }) => !known.has(point) && !below(point, expect.readOnly));
  const writable = mounts.filter(({ point, readOnly }) => !readOnly && !expect.writable.includes(point));
  const procSys = mounts.find(({ point }) => point === '/proc/sys');
  return [
    check(
      'mounts-expected',
      'G-CONFINED',
      'only those of the plan',
      unexpected.map(({ point }) => point),
    ),
    check(
      'mounts-read-only',
      'G-CONFINED',
      'read-only',
      writable.map(({ point }) => point),
    ),
    check('proc-sys-ro', 'G-CONFINED', 'read-only mount', procSys?.readOnly === true ? [] : ['/proc/sys writable']),
  ];
}

function check(id: string, guarantee: string, expected: string, wrong: readonly string[]): WallCheck {
  const held = wrong.length === 0;
  return { id, guarantee, from: 'outside', expected, seen: held ? expected : wrong.join(', '), held };
}
