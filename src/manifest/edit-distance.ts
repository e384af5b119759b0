/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (Damerau-Levenshtein). */
export function editDistance(left: string, right: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1];
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      current.push(
        Math.min(
          (last[column] ?? Infinity) + 1,
          (current[column - 1] ?? Infinity) + 1,
          (last[column - 1] ?? Infinity) + (same ? 0 : 1),
          swapped ? (beforeLast[column - 2] ?? Infinity) + 1 : Infinity,
        ),
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[right.length] ?? 0;
}

/** Spellings that people take for the same: case, dashes, underscores. */
function folded(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

/** One slip is forgiven in a short word, two in a long one; null when there are more. */
function slipsBetween(word: string, candidate: string): number | null {
  const allowed = candidate.length < 6 ? 1 : 2;
  if (Math.abs(word.length - candidate.length) > allowed) return null;
  const slips = editDistance(word, candidate);
  return slips <= allowed ? slips : null;
}

/** The candidate a person most likely meant, or null when none is close. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: { readonly candidate: string; readonly slips: number } | null = null;
  for (const candidate of candidates) {
    const slips = slipsBetween(folded(word), folded(candidate));
    if (slips !== null && (best === null || slips < best.slips)) best = { candidate, slips };
  }
  return best?.candidate ?? null;
}
