import type { Result } from '../kernel/result.ts';

/** The record's file: what `append` returned `ok` for has been written to the kernel (SECURITY S35). */
export interface AuditSink {
  append(line: string): Result<void, string>;
  /** Writes through to the disk what was appended before. */
  flush(): Promise<void>;
}
