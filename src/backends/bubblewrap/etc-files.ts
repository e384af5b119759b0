import { BUNDLE_ADDRESS, BUNDLE_NAMES, INSIDE } from '../../schema/plan.ts';

/** The files of `/etc` that we make, so that the host's users, hosts and resolver stay unknown inside (SECURITY S6b). */
export function etcFiles(hostname: string): Readonly<Record<string, string>> {
  const { user, uid, gid, home } = INSIDE;
  return {
    passwd: [
      'root:x:0:0:root:/root:/usr/sbin/nologin',
      `${user}:x:${String(uid)}:${String(gid)}:${user}:${home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
      '',
    ].join('\n'),
    group: ['root:x:0:', `${user}:x:${String(gid)}:`, 'nogroup:x:65534:', ''].join('\n'),
    hosts: [
      `127.0.0.1 localhost ${hostname}`,
      '::1 localhost ip6-localhost ip6-loopback',
      `${BUNDLE_ADDRESS} ${BUNDLE_NAMES.join(' ')}`,
      '',
    ].join('\n'),
    'resolv.conf': `nameserver ${BUNDLE_ADDRESS}\noptions timeout:2 attempts:2\n`,
    'nsswitch.conf': [
      'passwd: files',
      'group: files',
      'hosts: files dns',
      'networks: files',
      'protocols: files',
      'services: files',
      '',
    ].join('\n'),
    'host.conf': 'multi on\n',
    hostname: `${hostname}\n`,
  };
}

/** What is shown of the host's `/etc`, where it exists: how programs are found and run, nothing about this host. */
export const SHOWN_ETC = [
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/alternatives',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
  '/etc/ca-certificates',
  '/etc/ca-certificates.conf',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust',
  '/etc/pki/java',
  '/etc/java',
  '/etc/localtime',
  '/etc/timezone',
  '/etc/protocols',
  '/etc/services',
  '/etc/mime.types',
  '/etc/magic',
  '/etc/fonts',
  '/etc/bash.bashrc',
  '/etc/os-release',
  '/etc/debian_version',
  '/etc/terminfo',
  '/etc/inputrc',
] as const;
/** Their names carry versions. */
export const SHOWN_ETC_PATTERN = /^(?:java-\d[\w.-]*|python[\d.]+)$/;
