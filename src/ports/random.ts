/** Unpredictable bytes, given rather than taken. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** Lower-case letters and digits, for names and ids. */
  base36(length: number): string;
}
