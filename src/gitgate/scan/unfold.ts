import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { LIMITS } from '../../kernel/limits.ts';

/**
 * What is packed in a file: gzip and zip, some levels deep, and text of two bytes per character. Over a bound, or where
 * it says that it is packed and can't be unpacked, it is unscannable, which refuses (SECURITY S16).
 */
export interface Unfolded {
  /** Where in the file: `!/config.env` of an archive, empty for the whole. */
  readonly within: string;
  readonly bytes: Buffer;
}

export type Unfolding =
  | { readonly kind: 'views'; readonly views: readonly Unfolded[] }
  | { readonly kind: 'unscannable'; readonly why: string };

const DEPTH = 3;

export async function unfold(bytes: Buffer): Promise<Unfolding> {
  const budget = { bytes: LIMITS.gitUnfoldedBytes, files: LIMITS.gitUnfoldedFiles };
  const views: Unfolded[] = [];
  const why = await unfoldInto(views, { within: '', bytes }, budget, 0);
  return why === null ? { kind: 'views', views } : { kind: 'unscannable', why };
}

interface Budget {
  bytes: number;
  files: number;
}

/** Answers why not. */
async function unfoldInto(views: Unfolded[], from: Unfolded, budget: Budget, depth: number): Promise<string | null> {
  const text = decodeWide(from.bytes);
  if (text !== null) views.push({ within: from.within, bytes: text });
  const packing = packingOf(from.bytes);
  if (packing === null) return null;
  if (depth === DEPTH) return 'it is packed more than three times over';
  const inner = packing === 'gzip' ? await ungzip(from, budget) : await unzip(from, budget);
  if (typeof inner === 'string') return inner;
  for (const view of inner) {
    views.push(view);
    const why = await unfoldInto(views, view, budget, depth + 1);
    if (why !== null) return why;
  }
  return null;
}

export function packingOf(bytes: Buffer): 'gzip' | 'zip' | null {
  if (bytes.length >= 10 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8) return 'gzip';
  return bytes.length >= 22 && bytes.readUInt32LE(0) === 0x04034b50 ? 'zip' : null;
}

const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);
const inflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw);

async function ungzip({ within, bytes }: Unfolded, budget: Budget): Promise<readonly Unfolded[] | string> {
  const unpacked = await unpack(gunzip, bytes, budget);
  return typeof unpacked === 'string' ? unpacked : [{ within: `${within}!`, bytes: unpacked }];
}

async function unpack(
  by: (bytes: Buffer, options: zlib.ZlibOptions) => Promise<Buffer>,
  bytes: Buffer,
  budget: Budget,
): Promise<Buffer | string> {
  if (budget.bytes <= 0) return 'it unfolds to more than is looked through';
  try {
    const unpacked = await by(bytes, { maxOutputLength: budget.bytes });
    budget.bytes -= unpacked.length;
    return unpacked;
  } catch (failure) {
    const tooLong = failure instanceof Error && 'code' in failure && failure.code === 'ERR_BUFFER_TOO_LARGE';
    return tooLong ? 'it unfolds to more than is looked through' : 'it is packed and can not be unpacked';
  }
}

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;

/** By its directory (APPNOTE 4.3.12); what is stored as it is was looked at with the file itself. */
async function unzip({ within, bytes }: Unfolded, budget: Budget): Promise<readonly Unfolded[] | string> {
  const end = bytes.lastIndexOf(Buffer.from('PK\u0005\u0006', 'latin1'));
  if (end === -1 || bytes.length - end < 22 || bytes.readUInt32LE(end) !== END_OF_DIRECTORY)
    return 'it is a zip file without its directory';
  const views: Unfolded[] = [];
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const entry = readEntry(bytes, at);
    if (typeof entry === 'string') return entry;
    budget.files -= 1;
    if (budget.files < 0) return 'it holds more files than are looked through';
    at = entry.next;
    if (entry.method === 0) {
      views.push({ within: `${within}!/${entry.name}`, bytes: entry.content });
      continue;
    }
    const unpacked = await unpack(inflateRaw, entry.content, budget);
    if (typeof unpacked === 'string') return unpacked;
    views.push({ within: `${within}!/${entry.name}`, bytes: unpacked });
  }
  return views;
}

interface ZipEntry {
  readonly name: string;
  readonly method: 0 | 8;
  readonly content: Buffer;
  readonly next: number;
}

function readEntry(bytes: Buffer, at: number): ZipEntry | string {
  if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== DIRECTORY_ENTRY) return 'its directory is broken';
  if ((bytes.readUInt16LE(at + 8) & 1) !== 0) return 'it holds encrypted files';
  const method = bytes.readUInt16LE(at + 10);
  if (method !== 0 && method !== 8) return 'it is packed in a way that is not known here';
  const size = bytes.readUInt32LE(at + 20);
  const nameLength = bytes.readUInt16LE(at + 28);
  const next = at + 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  const name = bytes.toString('utf8', at + 46, at + 46 + nameLength);
  const local = bytes.readUInt32LE(at + 42);
  if (local + 30 > bytes.length) return 'its directory is broken';
  const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  if (from + size > bytes.length) return 'its directory is broken';
  return { name, method, content: bytes.subarray(from, from + size), next };
}

/** UTF-16 with a mark at its beginning, or with every other byte zero, as UTF-8. */
export function decodeWide(bytes: Buffer): Buffer | null {
  if (bytes.length < 4) return null;
  const mark = bytes.readUInt16BE(0);
  const order = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : guessOrder(bytes);
  return order === null ? null : Buffer.from(new TextDecoder(order).decode(bytes), 'utf8');
}

const GUESS_BYTES = 512;

function guessOrder(bytes: Buffer): 'utf-16le' | 'utf-16be' | null {
  const looked = Math.min(bytes.length, GUESS_BYTES) & ~1;
  let even = 0;
  let odd = 0;
  for (let at = 0; at < looked; at += 2) {
    if (bytes[at] === 0) even += 1;
    if (bytes[at + 1] === 0) odd += 1;
  }
  const most = looked * 0.35;
  if (odd > most && even < odd / 8) return 'utf-16le';
  return even > most && odd < even / 8 ? 'utf-16be' : null;
}
