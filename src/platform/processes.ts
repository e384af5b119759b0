import fs from 'node:fs';

// Reading `/proc`: processes end while one looks, so an absent file is an answer, not a failure.

/**
 * Every process of the chain that becomes a bottle carries this variable, the bottle's state directory in it, from the
 * moment it is started; what is inside the bottle does not. So that one that a crash leaves behind can be found, though
 * no journal could name it yet.
 */
export const MARK = 'BOT_BOTTLE_STATE';

/**
 * What a launch makes says its mode, and what it starts makes files as on a plain system: the operator's umask must
 * neither open what is ours nor lock out the users that our processes run as (SECURITY S5).
 */
export function setPlainUmask(): void {
  process.umask(0o022);
}

/** Processes that carry the mark of a bottle. */
export function markedProcesses(stateDirectory: string): readonly number[] {
  const wanted = `${MARK}=${stateDirectory}`;
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(wanted))
    .map(Number);
}

function environmentOf(pid: string): readonly string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch (failure) {
    // Gone meanwhile, or another user's.
    if (failure instanceof Error && 'code' in failure) return [];
    throw failure;
  }
}

export function readTextOrNull(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}

/** Field 22 of `/proc/<pid>/stat`: with the pid it names a process for ever, while pids alone are used again. */
export function processStartTime(pid: number): string | null {
  const stat = readTextOrNull(`/proc/${String(pid)}/stat`);
  return stat === null ? null : (stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null);
}

export function childrenOf(pid: number): readonly number[] {
  const text = readTextOrNull(`/proc/${String(pid)}/task/${String(pid)}/children`);
  return text === null ? [] : text.split(' ').filter(Boolean).map(Number);
}

/** The process and everything below it. In a pid namespace's first process that is the whole namespace. */
export function processTree(pid: number): readonly number[] {
  const found: number[] = [];
  const open = [pid];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    found.push(next);
    open.push(...childrenOf(next));
  }
  return found;
}

/** Every process in the pid namespace of one, whoever started it. */
export function namespaceMembers(pid: number): readonly number[] {
  const namespace = pidNamespaceOf(String(pid));
  if (namespace === null) return [];
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && pidNamespaceOf(name) === namespace)
    .map(Number);
}

function pidNamespaceOf(pid: string): string | null {
  try {
    return fs.readlinkSync(`/proc/${pid}/ns/pid`);
  } catch (failure) {
    // Gone meanwhile, or another user's.
    if (failure instanceof Error && 'code' in failure) return null;
    throw failure;
  }
}

/** Null when it is gone. */
export function parentOf(pid: number): number | null {
  const stat = readTextOrNull(`/proc/${String(pid)}/stat`);
  return stat === null ? null : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** False when the process was gone already. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ESRCH') return false;
    throw failure;
  }
}
