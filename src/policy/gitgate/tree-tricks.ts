/** What a tree can hold that is no secret and yet does harm where it is checked out. */

/** A link that leads out of the tree it is in, or nowhere that a tree can know. */
export function leavesTree(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || /^[A-Za-z]:|\\/.test(target) || target.includes('\0')) return true;
  let depth = path.split('/').length - 1;
  for (const part of target.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) return true;
  }
  // The link's own repository lies in the tree, and is not part of it.
  return target.split('/').some((part) => part.toLowerCase() === '.git');
}

/** Names that are one and the same where case, or the way an accent is written, makes no difference. */
export function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase().normalize('NFC');
}

/** For each of `added`, the name beside it that it collides with. */
export function collisions(
  names: readonly string[],
  added: ReadonlySet<string>,
): readonly (readonly [string, string])[] {
  const byFold = new Map<string, string>();
  const found: (readonly [string, string])[] = [];
  for (const name of names) {
    const other = byFold.get(foldName(name));
    if (other === undefined) byFold.set(foldName(name), name);
    else if (added.has(name)) found.push([name, other]);
    else if (added.has(other)) found.push([other, name]);
  }
  return found;
}

export interface TreeEntry {
  readonly mode: string;
  readonly name: string;
}

/** A tree object's entries; null where it is none. */
export function parseTree(bytes: Uint8Array, oidBytes: number): readonly TreeEntry[] | null {
  const entries: TreeEntry[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const nul = bytes.indexOf(0, at);
    if (space === -1 || nul < space || nul + 1 + oidBytes > bytes.length) return null;
    entries.push({
      mode: decoder.decode(bytes.subarray(at, space)),
      name: decoder.decode(bytes.subarray(space + 1, nul)),
    });
    at = nul + 1 + oidBytes;
  }
  return entries;
}

export interface RawChange {
  readonly path: string;
  readonly oldMode: string;
  readonly newMode: string;
  readonly oid: string;
  readonly status: string;
}

/** What `git diff-tree -r -z --raw` prints. */
export function parseRawChanges(text: string): readonly RawChange[] {
  const fields = text.split('\0');
  const changes: RawChange[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [, oldMode, newMode, oid, status] =
      /^:(\d+) (\d+) [0-9a-f]+ ([0-9a-f]+) ([A-Z])\d*$/.exec(fields[index] ?? '') ?? [];
    const path = fields[index + 1];
    if (oldMode === undefined || newMode === undefined || oid === undefined || status === undefined) return changes;
    if (path !== undefined) changes.push({ path, oldMode, newMode, oid, status });
  }
  return changes;
}
