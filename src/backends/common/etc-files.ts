import { BUNDLE_ADDRESS, BUNDLE_NAMES, INSIDE } from '../../schema/plan.ts';

/** Files of `/etc` that are made for the bottle. */
export const ETC_MADE = ['group', 'hostname', 'hosts', 'nsswitch.conf', 'passwd', 'resolv.conf', 'shells'] as const;
export type MadeEtcFile = (typeof ETC_MADE)[number];

export function madeEtcFiles(
  hostname: string,
  { uid, gid }: { readonly uid: number; readonly gid: number } = INSIDE,
): Readonly<Record<MadeEtcFile, string>> {
  const { user, home } = INSIDE;
  return {
    passwd: lines(
      'root:x:0:0:root:/root:/usr/sbin/nologin',
      `${user}:x:${String(uid)}:${String(gid)}:${user}:${home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    ),
    group: lines('root:x:0:', `${user}:x:${String(gid)}:`, 'nogroup:x:65534:'),
    hostname: lines(hostname),
    hosts: lines(
      `127.0.0.1 localhost ${hostname}`,
      '::1 localhost ip6-localhost ip6-loopback',
      `${BUNDLE_ADDRESS} ${BUNDLE_NAMES.join(' ')}`,
    ),
    'resolv.conf': lines(`nameserver ${BUNDLE_ADDRESS}`, 'options timeout:2 attempts:2'),
    'nsswitch.conf': lines(
      'passwd: files',
      'group: files',
      'shadow: files',
      'hosts: files dns',
      'networks: files',
      'protocols: files',
      'services: files',
    ),
    shells: lines('/bin/sh', '/bin/bash'),
  };
}

function lines(...text: readonly string[]): string {
  return text.map((line) => `${line}\n`).join('');
}
