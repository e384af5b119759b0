/** What a directory holds: name only, and whether it is a regular file once links are followed. */
export interface FileEntry {
  readonly name: string;
  readonly isFile: boolean;
}

/**
 * Reading the operator's files, synchronously: manifests are small and a start can't go on without them. Absent things
 * are null; what is there and can't be read is a `BottleError`.
 */
export interface Files {
  /** What `~` means. */
  readonly operatorHome: string;
  exists(path: string): boolean;
  /** Entries sorted by name; null when there is no such directory. */
  list(directory: string): readonly FileEntry[] | null;
  /** A regular file's UTF-8 text; null when there is none. Files over `LIMITS.manifestBytes` are refused. */
  read(path: string): string | null;
  /** The path with every link resolved; null when nothing is there. */
  realPath(path: string): string | null;
}
