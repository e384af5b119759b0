import fs from 'node:fs';
import { BottleError } from '../../kernel/errors.ts';
import { readTextOrNull } from '../../platform/processes.ts';
import {
  parseIdMap,
  parseInterfaces,
  parseMountInfo,
  parseRoutes,
  parseStatus,
  type KernelAccount,
} from './account.ts';

/** Reads what the kernel says of a process. A process that can't be read has proved nothing. */
export function readAccount(pid: number): KernelAccount {
  const base = `/proc/${String(pid)}`;
  const text = (name: string): string => {
    const content = readTextOrNull(`${base}/${name}`);
    if (content !== null) return content;
    throw new BottleError('not_confined', {
      message: `the kernel's account of the bottle can't be read: ${base}/${name}`,
    });
  };
  return {
    namespaces: namespaces(base),
    hostNamespaces: namespaces('/proc/self'),
    status: parseStatus(text('status')),
    mounts: parseMountInfo(text('mountinfo')),
    uidMap: parseIdMap(text('uid_map')),
    gidMap: parseIdMap(text('gid_map')),
    routes: parseRoutes(text('net/route')),
    interfaces: parseInterfaces(text('net/dev')),
    executable: linkOf(`${base}/exe`) ?? 'unknown',
  };
}

function namespaces(base: string): Readonly<Record<string, string>> {
  const kinds = ['user', 'pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup'];
  return Object.fromEntries(
    kinds.flatMap((kind) => {
      const link = linkOf(`${base}/ns/${kind}`);
      return link === null ? [] : [[kind, link] as const];
    }),
  );
}

function linkOf(file: string): string | null {
  try {
    return fs.readlinkSync(file);
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}
