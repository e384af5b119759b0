/** `*` is any run of characters, also none; every other character is itself. Takes time in the text's length only. */
export function matchesWildcard(pattern: string, text: string): boolean {
  const [head = '', ...tails] = pattern.split('*');
  if (!text.startsWith(head)) return false;
  let at = head.length;
  for (const [index, tail] of tails.entries()) {
    const last = index === tails.length - 1;
    const found = last ? text.length - tail.length : text.indexOf(tail, at);
    if (found < at || !text.startsWith(tail, found)) return false;
    at = found + tail.length;
  }
  return at === text.length;
}
