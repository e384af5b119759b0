import { getDomain, getPublicSuffix } from 'tldts';

/** By the public suffix list, private part included: `github.io` is a suffix, for each name below it is another's. */
const OPTIONS = { allowPrivateDomains: true, extractHostname: false } as const;

/** The part of a name that somebody registered, or null for a suffix itself and for names of no known form. */
export function registrableDomain(host: string): string | null {
  return getDomain(host, OPTIONS);
}

/** Names directly below it belong to different people. */
export function isPublicSuffix(host: string): boolean {
  const suffix = getPublicSuffix(host, OPTIONS);
  return suffix === null || suffix === host;
}
