/**
 * The few DNS messages that the answerer speaks (RFC 1035). A question is read strictly, and an answer repeats its
 * bytes and adds ours: nothing else of a query is ever looked at. Counterpart: `dns.ts` owns the sockets.
 */
export interface DnsQuestion {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** As asked, dots between labels, no trailing dot; latin1 for bytes outside ASCII. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question section as sent, to be repeated. */
  readonly section: Uint8Array;
}

export type DnsAnswer =
  | { readonly kind: 'address'; readonly address: string; readonly ttlSeconds: number }
  | { readonly kind: 'no-data' }
  | { readonly kind: 'no-name' };

export const DNS_TYPE_A = 1;
export const DNS_CLASS_IN = 1;

const HEADER_BYTES = 12;
const FLAG_RESPONSE = 0x8000;
const OPCODE_MASK = 0x7800;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
/** Some stub resolvers warn about, or refuse, a server that offers no recursion. */
const FLAG_RECURSION_AVAILABLE = 0x0080;
const RCODE_NO_NAME = 3;
const LABEL_MAX = 63;
const NAME_MAX = 253;

/** Exactly one question, uncompressed, in a plain query; anything else is null and gets no answer. */
export function parseQuestion(message: Uint8Array): DnsQuestion | null {
  if (message.length < HEADER_BYTES) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const flags = view.getUint16(2);
  if ((flags & (FLAG_RESPONSE | OPCODE_MASK | FLAG_TRUNCATED)) !== 0) return null;
  if (view.getUint16(4) !== 1 || view.getUint16(6) !== 0 || view.getUint16(8) !== 0) return null;
  const name = readName(message);
  if (name === null || name.end + 4 > message.length) return null;
  return {
    id: view.getUint16(0),
    recursionDesired: (flags & FLAG_RECURSION_DESIRED) !== 0,
    name: name.text,
    type: view.getUint16(name.end),
    class: view.getUint16(name.end + 2),
    section: message.subarray(HEADER_BYTES, name.end + 4),
  };
}

export function writeAnswer(question: DnsQuestion, answer: DnsAnswer): Uint8Array {
  const records = answer.kind === 'address' ? addressRecord(answer.address, answer.ttlSeconds) : new Uint8Array(0);
  const message = new Uint8Array(HEADER_BYTES + question.section.length + records.length);
  const view = new DataView(message.buffer);
  const desired = question.recursionDesired ? FLAG_RECURSION_DESIRED : 0;
  const code = answer.kind === 'no-name' ? RCODE_NO_NAME : 0;
  view.setUint16(0, question.id);
  view.setUint16(2, FLAG_RESPONSE | FLAG_AUTHORITATIVE | FLAG_RECURSION_AVAILABLE | desired | code);
  view.setUint16(4, 1);
  view.setUint16(6, answer.kind === 'address' ? 1 : 0);
  message.set(question.section, HEADER_BYTES);
  message.set(records, HEADER_BYTES + question.section.length);
  return message;
}

function readName(message: Uint8Array): { readonly text: string; readonly end: number } | null {
  const labels: string[] = [];
  let length = 0;
  for (let at = HEADER_BYTES; ;) {
    const size = message[at];
    if (size === undefined || size > LABEL_MAX) return null;
    at += 1;
    if (size === 0) return { text: labels.join('.'), end: at };
    const label = message.subarray(at, at + size);
    length += size + (labels.length === 0 ? 0 : 1);
    // A dot inside a label would make two names look like one.
    if (label.length !== size || label.includes(0x2e) || length > NAME_MAX) return null;
    labels.push(String.fromCharCode(...label));
    at += size;
  }
}

function addressRecord(address: string, ttlSeconds: number): Uint8Array {
  const octets = address.split('.').map(Number);
  // The name is a pointer to the question's, right after the header.
  return Uint8Array.from([
    0xc0,
    HEADER_BYTES,
    0,
    DNS_TYPE_A,
    0,
    DNS_CLASS_IN,
    0,
    0,
    ttlSeconds >> 8,
    ttlSeconds & 0xff,
    0,
    octets.length,
    ...octets,
  ]);
}
