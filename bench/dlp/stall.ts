export async function stalls(_: unknown): Promise<readonly never[]> {
  return [];
}
