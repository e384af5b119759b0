import { BottleError } from '../kernel/errors.ts';

/** A Markdown file cut at its `---` lines. */
export interface FrontMatter {
  readonly yaml: string;
  /** Lines of the file above the YAML: added to what the parser says. */
  readonly yamlLineOffset: number;
  /** Everything after the closing line, unchanged. */
  readonly body: string;
}

const FENCE = /^---[ \t]*$/;

export function splitFrontMatter(text: string, file: string): FrontMatter {
  const source = text.startsWith('\ufeff') ? text.slice(1) : text;
  const lines = linesOf(source);
  if (!isFence(lines[0])) {
    throw new BottleError('manifest_invalid', {
      message: 'the file must begin with a line `---`, then YAML, then another line `---`',
      position: { file, line: 1, column: 1 },
    });
  }
  const end = lines.findIndex((line, index) => index > 0 && isFence(line));
  if (end === -1) {
    throw new BottleError('manifest_invalid', {
      message: 'the YAML that begins here is never closed by a line `---`',
      position: { file, line: 1, column: 1 },
    });
  }
  return { yaml: lines.slice(1, end).join(''), yamlLineOffset: 1, body: lines.slice(end + 1).join('') };
}

/** Lines with their ends, so that joining them gives the text back. */
function linesOf(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function isFence(line: string | undefined): boolean {
  return line !== undefined && FENCE.test(line.replace(/\r?\n$/, ''));
}
