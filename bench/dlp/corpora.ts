import fs from 'node:fs';
import path from 'node:path';
import { SeededRandom } from '../../test/fuzz/random.ts';

/** What is scanned: documents that hold no credential, of three kinds, the same ones in every run of one checkout. */
export interface Corpus {
  readonly id: 'base64' | 'chat' | 'source';
  readonly title: string;
  readonly documents: readonly Buffer[];
  readonly bytes: number;
}

const ROOT = path.resolve(import.meta.dirname, '../..');
const DOCUMENT_BYTES = 256 * 1024;

export function corpora(bytes: number): readonly Corpus[] {
  return [
    corpus('base64', 'random base64', randomBase64(bytes)),
    corpus('chat', 'model conversations in JSON', conversations(bytes)),
    corpus('source', 'JavaScript and TypeScript sources', sources(bytes)),
  ];
}

function corpus(id: Corpus['id'], title: string, whole: Buffer): Corpus {
  const documents: Buffer[] = [];
  for (let at = 0; at < whole.length; at += DOCUMENT_BYTES) documents.push(whole.subarray(at, at + DOCUMENT_BYTES));
  return { id, title, documents, bytes: whole.length };
}

function randomBase64(bytes: number): Buffer {
  const random = new SeededRandom(1);
  const raw = Buffer.from(Array.from({ length: Math.ceil((bytes * 3) / 4) }, () => random.below(256)));
  return Buffer.from(raw.toString('base64').slice(0, bytes));
}

/** Documents of this project and its packages, as what an agent asks a model about: text, files it read, tool calls. */
function conversations(bytes: number): Buffer {
  const texts = [...filesBelow(ROOT, ['docs'], /\.md$/), ...filesBelow(ROOT, ['node_modules'], /README\.md$/i)];
  const lines: string[] = [];
  let size = 0;
  for (let at = 0; size < bytes; at += 1) {
    const text = texts[at % texts.length] ?? '';
    const line = JSON.stringify({
      model: 'model-of-the-day',
      messages: [
        { role: 'user', content: [{ type: 'text', text: text.slice(0, 4_000) }] },
        { role: 'assistant', content: [{ type: 'tool_use', id: `call_${String(at)}`, input: { path: 'README.md' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: `call_${String(at)}`, content: text }] },
      ],
    });
    size += line.length + 1;
    lines.push(line);
  }
  return Buffer.from(lines.join('\n')).subarray(0, bytes);
}

function sources(bytes: number): Buffer {
  const packages = ['zod', 'yaml', 'commander', 'vitest', 'fast-check', 'eslint', 'undici', 'ws', 'typescript'];
  const parts: string[] = filesBelow(ROOT, ['src'], /\.ts$/).slice();
  let size = parts.reduce((sum, part) => sum + part.length, 0);
  for (const name of packages) {
    for (const text of filesBelow(ROOT, ['node_modules', name], /\.(?:js|mjs|cjs|ts)$/)) {
      if (size >= bytes) return Buffer.from(parts.join('\n')).subarray(0, bytes);
      size += text.length;
      parts.push(text);
    }
  }
  return Buffer.from(parts.join('\n')).subarray(0, bytes);
}

const FILE_MAX_BYTES = 512 * 1024;

function filesBelow(root: string, below: readonly string[], name: RegExp): readonly string[] {
  const top = fs.realpathSync(path.join(root, ...below));
  const entries = fs.readdirSync(top, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .map((file) => fs.readFileSync(file, 'utf8'))
    .filter(({ length }) => length < FILE_MAX_BYTES);
}
