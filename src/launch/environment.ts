import { BUNDLE_ADDRESS, BUNDLE_NAMES, INSIDE, LISTENER_PORTS } from '../schema/plan.ts';

/**
 * The environment every agent gets, whatever its provider (REFERENCE 9). Programs differ in which variable they read
 * for trust and proxies, so all of them are set; those that read none still get through by the transparent listeners.
 */
const PROXY_URL = `http://${BUNDLE_ADDRESS}:${String(LISTENER_PORTS.proxy)}`;

/**
 * Loopback is the agent's own, and the bundle's names are reached directly (SECURITY S7). Python and others read names
 * only and no ranges, so the address that everybody uses stands for itself.
 */
const NO_PROXY = ['localhost', '127.0.0.1', '127.0.0.0/8', '::1', '.localhost', ...BUNDLE_NAMES].join(',');

/** Variables that name a PEM file to trust. */
const CA_VARIABLES = [
  'CODEX_CA_CERTIFICATE',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'DENO_CERT',
  'CARGO_HTTP_CAINFO',
  'AWS_CA_BUNDLE',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
] as const;

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'] as const;

export function bottleEnvironment(gitUser: {
  readonly name?: string | undefined;
  readonly email?: string | undefined;
}): Readonly<Record<string, string>> {
  const environment: Record<string, string> = {
    HOME: INSIDE.home,
    USER: INSIDE.user,
    LOGNAME: INSIDE.user,
    SHELL: '/bin/sh',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    TMPDIR: '/tmp',
    BOT_BOTTLE: '1',
    NO_PROXY,
    no_proxy: NO_PROXY,
    JAVA_TOOL_OPTIONS: javaOptions(),
  };
  for (const name of CA_VARIABLES) environment[name] = INSIDE.caFile;
  for (const name of PROXY_VARIABLES) {
    environment[name] = PROXY_URL;
    environment[name.toLowerCase()] = PROXY_URL;
  }
  if (gitUser.name !== undefined) {
    environment['GIT_AUTHOR_NAME'] = gitUser.name;
    environment['GIT_COMMITTER_NAME'] = gitUser.name;
  }
  if (gitUser.email !== undefined) {
    environment['GIT_AUTHOR_EMAIL'] = gitUser.email;
    environment['GIT_COMMITTER_EMAIL'] = gitUser.email;
  }
  return environment;
}

/** The JVM reads no PEM file and no proxy variable: it is told where the trust store is and who the proxy is. */
function javaOptions(): string {
  const port = String(LISTENER_PORTS.proxy);
  return [
    `-Djavax.net.ssl.trustStore=${INSIDE.javaTrustStore}`,
    '-Djavax.net.ssl.trustStoreType=JKS',
    `-Dhttp.proxyHost=${BUNDLE_ADDRESS}`,
    `-Dhttp.proxyPort=${port}`,
    `-Dhttps.proxyHost=${BUNDLE_ADDRESS}`,
    `-Dhttps.proxyPort=${port}`,
    `-Dhttp.nonProxyHosts=localhost|127.*|[::1]|${BUNDLE_NAMES.join('|')}`,
  ].join(' ');
}
