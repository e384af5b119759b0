import os from 'node:os';

/** Who starts us. */
export interface Operator {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  /** As the system's accounts say, whatever `HOME` says. */
  readonly home: string;
}

/** A user without an account, as containers and CI machines have, is called by number and lives where `HOME` says. */
export function operator(): Operator {
  try {
    const { uid, gid, username, homedir } = os.userInfo();
    return { uid, gid, name: username, home: homedir };
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure)) throw failure;
    const uid = process.getuid?.() ?? -1;
    return { uid, gid: process.getgid?.() ?? -1, name: String(uid), home: homeDirectory() };
  }
}

/** As `HOME` says, else the accounts; without both there is none. */
export function homeDirectory(): string {
  try {
    return os.homedir();
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return '/nonexistent';
    throw failure;
  }
}
