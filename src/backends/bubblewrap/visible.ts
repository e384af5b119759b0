import { BUNDLE_ADDRESS, BUNDLE_NAMES, INSIDE } from '../../schema/plan.ts';

/**
 * What of `/etc` and `/proc` a bottle sees (SECURITY S6b). The rest of `/etc` is not there: it holds the machine's
 * secrets, and the operator's habits that would carry into the bottle.
 */
export const ETC_VISIBLE = [
  'alternatives',
  'ca-certificates',
  'chromium.d',
  'crypto-policies',
  'debian_version',
  'fonts',
  'gai.conf',
  'host.conf',
  'java-*',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'magic',
  'magic.mime',
  'mime.types',
  'os-release',
  'pki/ca-trust/extracted',
  'pki/tls/cert.pem',
  'pki/tls/certs',
  'pki/tls/openssl.cnf',
  'protocols',
  'rpc',
  'services',
  'ssl/cert.pem',
  'ssl/certs',
  'ssl/openssl.cnf',
  'terminfo',
  'timezone',
] as const;

/** Files of `/etc` that are made for the bottle. */
export const ETC_MADE = ['group', 'hostname', 'hosts', 'nsswitch.conf', 'passwd', 'resolv.conf', 'shells'] as const;
export type MadeEtcFile = (typeof ETC_MADE)[number];

/** Settings of the machine: only to be looked at. */
export const PROC_READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'] as const;

/** About the machine and its other users, not about the bottle: covered by an empty file or directory. */
export const PROC_MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/key-users',
  '/proc/keys',
  '/proc/kmsg',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/vmallocinfo',
] as const;

export function madeEtcFiles(hostname: string): Readonly<Record<MadeEtcFile, string>> {
  const { user, uid, gid, home } = INSIDE;
  return {
    passwd: lines(
      'root:x:0:0:root:/root:/usr/sbin/nologin',
      `${user}:x:${uid}:${gid}:${user}:${home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    ),
    group: lines('root:x:0:', `${user}:x:${gid}:`, 'nogroup:x:65534:'),
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
