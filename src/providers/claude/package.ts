import { BottleError } from '../../kernel/errors.ts';
import type { PinnedPackage } from '../../platform/npm-fetch.ts';

/**
 * Which archive holds the program. Claude Code's npm package is a wrapper whose install script picks one package per
 * platform with one ready-made binary in it; that one is fetched directly, so no script has to run.
 */
export interface HostPlatform {
  readonly platform: string;
  readonly arch: string;
  readonly libc: 'glibc' | 'musl';
}

/** The version this release is tested with. `settings.version` may name another of the 2.1 line. */
export const PINNED_VERSION = '2.1.329';

/** SHA-512 of the pinned archives, as `npm view @anthropic-ai/claude-code-linux-x64@VERSION dist.integrity` tells them. */
const PINNED_INTEGRITY: Readonly<Record<string, string>> = {
  'linux-x64': 'sha512-+n4lu1ubYAp02Y0X/MAUnxw9yY6SHHZ77F+IoW+V0wVoFuiI9opdH6gofjf14gXJCEYMTNpks7Gn1i8XZTKAWA==',
  'linux-arm64': 'sha512-IiG5umFToSCVWqB1lEsxxwIxKgxPXyZ3DRU915v8J4Bz5Q3JpslM0ew1m5yaT+lFXBPvYxmsEgi0XI68XHND0A==',
  'linux-x64-musl': 'sha512-EouW7B/aG3GOQBmzN9MxHV9uTOE2r6E+VIlFBrBgIEBuBBF4qH1GTvg5/CVf53gGp4DgVf1CYdBHjS+2NeDP4A==',
  'linux-arm64-musl': 'sha512-uVWrRp60cqvikJ13Rtmlkd8WuJtJEWAuGJzenJ0or0I7by05kRWopFdDdpWYQi8dRIJ6+W9T9w+PA4B+EjfCXQ==',
};

export interface ClaudePackage extends PinnedPackage {
  /** Name of the cache entry: version and platform. */
  readonly entry: string;
}

export function claudePackage(version: string, host: HostPlatform): ClaudePackage {
  const target = `${host.platform}-${host.arch}${host.libc === 'musl' ? '-musl' : ''}`;
  const integrity = PINNED_INTEGRITY[target];
  if (integrity === undefined) {
    throw new BottleError('provider_failed', {
      message: `Claude Code is fetched for Linux on x64 and arm64 only, and this machine is ${host.platform}-${host.arch}`,
      key: 'agent_provider.settings.cli',
      hint: 'install Claude Code yourself and set `cli: host`',
    });
  }
  return {
    name: `@anthropic-ai/claude-code-${target}`,
    version,
    integrity: version === PINNED_VERSION ? integrity : null,
    entry: `${version}-${target}`,
  };
}
