/**
 * Beginnings that say "I am a credential", by the vendors' own documentation. Somebody who writes the token where its
 * variable's name belongs must not find it in an error message or in `explain`.
 */
const TOKEN_SHAPES =
  /^(?:Bearer\s+)?(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|sk_(?:live|test)_\w{12,}|rk_(?:live|test)_\w{12,}|xox[abeprs]-[\w-]{10,}|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{30,}|npm_\w{30,}|hf_\w{20,}|pypi-[\w-]{16,}|dop_v1_\w{16,}|SG\.[\w-]{16,}|eyJ[\w-]{10,}\.[\w-]{10,})/;

export function looksLikeToken(text: string): boolean {
  return TOKEN_SHAPES.test(text) || text.includes('-----BEGIN') || /^[a-z]+:\/\/[^/@\s]*:[^/@\s]+@/.test(text);
}
