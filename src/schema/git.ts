/** What the git gate's parts say to each other about refs and pushes; values only. */

/** An object's name: 40 hex digits in SHA-1 repositories, 64 in SHA-256 ones. */
export type Oid = string;

export const OBJECT_FORMATS = ['sha1', 'sha256'] as const;
export type ObjectFormat = (typeof OBJECT_FORMATS)[number];

export function zeroOid(format: ObjectFormat): Oid {
  return '0'.repeat(format === 'sha1' ? 40 : 64);
}

export function isZero(oid: Oid): boolean {
  return /^0+$/.test(oid);
}

/** One line of a push: `old` is what the pusher believes the ref to be; all zeros stand for "is not there". */
export interface RefCommand {
  readonly ref: string;
  readonly old: Oid;
  readonly new: Oid;
}

export type GitService = 'git-upload-pack' | 'git-receive-pack';
