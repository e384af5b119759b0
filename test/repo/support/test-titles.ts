import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { ROOT } from '../../../scripts/root.ts';

const RUNNERS = new Set(['describe', 'it', 'test']);
const NOT_RUN = new Set(['skip', 'todo']);

/**
 * Each title of a test or a suite in `test/`, with its file. Titles of tests that are always skipped don't count; a
 * table's title `$why` stands for the `why` of its rows.
 */
export function testTitles(): readonly { readonly file: string; readonly title: string }[] {
  return fs
    .globSync('test/**/*.test.ts', { cwd: ROOT })
    .sort()
    .flatMap((file) => titlesIn(fs.readFileSync(path.join(ROOT, file), 'utf8')).map((title) => ({ file, title })));
}

export function titlesIn(source: string): readonly string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const [first] = node.arguments;
      const chain = calleeNames(node.expression);
      const runs = RUNNERS.has(chain[0] ?? '') && !chain.some((name) => NOT_RUN.has(name));
      if (runs && first !== undefined && ts.isStringLiteralLike(first)) titles.push(first.text);
      else if (runs && first !== undefined && ts.isTemplateExpression(first)) titles.push(first.getText());
      if (NOT_RUN.has(chain[1] ?? '')) return;
    }
    ts.forEachChild(node, visit);
  };
  const file = ts.createSourceFile('titles.ts', source, ts.ScriptTarget.Latest, true);
  visit(file);
  return [...titles, ...rowTitles(file, new Set(titles.flatMap(placeholders)))];
}

/** `S24 $why of $host` → `['why', 'host']`. */
function placeholders(title: string): readonly string[] {
  return [...title.matchAll(/[$](?<name>\w+)/g)].map((match) => match.groups?.['name'] ?? '');
}

/** The texts of properties with these names: the parts of titles that stand in tables. */
function rowTitles(file: ts.SourceFile, names: ReadonlySet<string>): readonly string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && ts.isStringLiteralLike(node.initializer) && names.has(node.name.getText()))
      texts.push(node.initializer.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return texts;
}

/** `it.each(rows)` → `['it', 'each']`, from the innermost name on. */
function calleeNames(node: ts.Expression): readonly string[] {
  if (ts.isIdentifier(node)) return [node.text];
  if (ts.isPropertyAccessExpression(node)) return [...calleeNames(node.expression), node.name.text];
  if (ts.isCallExpression(node)) return calleeNames(node.expression);
  if (ts.isTaggedTemplateExpression(node)) return calleeNames(node.tag);
  return [];
}
