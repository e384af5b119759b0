import type { Header } from '../../../src/schema/header.ts';

/** SECURITY S23: what opens a WebSocket, and what a server may answer. Each row changes one thing of a right one. */
export interface UpgradeChange {
  readonly why: string;
  readonly method?: string;
  readonly without?: string;
  readonly add?: readonly Header[];
}

export const UPGRADE: readonly Header[] = [
  ['Host', 'a.example'],
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
];

export const changed = (from: readonly Header[], { without, add = [] }: UpgradeChange): readonly Header[] => [
  ...from.filter(([name]) => name !== without),
  ...add,
];
const instead = (why: string, name: string, value: string): UpgradeChange => ({
  why,
  without: name,
  add: [[name, value]],
});

export const ASKED: readonly UpgradeChange[] = [
  { why: 'as RFC 6455 says' },
  instead('another case', 'Upgrade', 'WebSocket'),
  instead('more in Connection', 'Connection', 'keep-alive, Upgrade'),
  { why: 'Connection on two lines', add: [['Connection', 'keep-alive']] },
  { why: 'a length of 0', add: [['Content-Length', '0']] },
  { why: 'an extension', add: [['Sec-WebSocket-Extensions', 'permessage-deflate']] },
  { why: 'a sub-protocol', add: [['Sec-WebSocket-Protocol', 'v1.chat']] },
];

export const REFUSED: readonly UpgradeChange[] = [
  instead('HTTP/2 in clear', 'Upgrade', 'h2c'),
  instead('TLS in mid-connection', 'Upgrade', 'TLS/1.2'),
  instead('a list of protocols', 'Upgrade', 'websocket, h2c'),
  instead('a version of the protocol', 'Upgrade', 'websocket/13'),
  instead('an empty Upgrade', 'Upgrade', ''),
  instead('something like it', 'Upgrade', 'websockets'),
  { why: 'Upgrade twice', add: [['Upgrade', 'websocket']] },
  { why: 'two Upgrades', add: [['Upgrade', 'h2c']] },
  { why: 'HTTP2-Settings beside it', add: [['HTTP2-Settings', 'AAMAAABk']] },
  { why: 'no Connection', without: 'Connection' },
  instead('a Connection that does not name it', 'Connection', 'keep-alive'),
  instead('a Connection that closes', 'Connection', 'close'),
  instead('a Connection like it', 'Connection', 'upgraded'),
  { why: 'POST', method: 'POST' },
  { why: 'HEAD', method: 'HEAD' },
  { why: 'PUT', method: 'PUT' },
  { why: 'OPTIONS', method: 'OPTIONS' },
  { why: 'no version', without: 'Sec-WebSocket-Version' },
  instead('version 8', 'Sec-WebSocket-Version', '8'),
  instead('version 14', 'Sec-WebSocket-Version', '14'),
  instead('a list of versions', 'Sec-WebSocket-Version', '13, 8'),
  { why: 'the version twice', add: [['Sec-WebSocket-Version', '13']] },
  { why: 'no key', without: 'Sec-WebSocket-Key' },
  instead('an empty key', 'Sec-WebSocket-Key', ''),
  instead('a key of 15 bytes', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25j'),
  instead('a key of 17 bytes', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZTE='),
  instead('a key that is no base64', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25j!Q=='),
  instead('a key with loose bits', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZR=='),
  { why: 'two keys', add: [['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==']] },
  { why: 'a body by its length', add: [['Content-Length', '5']] },
  { why: 'a chunked body', add: [['Transfer-Encoding', 'chunked']] },
];

const DEFLATE = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const EXTENSIONS = 'Sec-WebSocket-Extensions';
export const COMPRESSION: Header = [EXTENSIONS, DEFLATE];
const PROTOCOL = 'Sec-WebSocket-Protocol';

export const upgradeAnswer = (accept: string): readonly Header[] => [
  ['Upgrade', 'websocket'],
  ['Connection', 'Upgrade'],
  ['Sec-WebSocket-Accept', accept],
];

export const TAKEN: readonly UpgradeChange[] = [
  { why: 'as it should be' },
  instead('another case', 'Upgrade', 'WebSocket'),
  instead('more in Connection', 'Connection', 'keep-alive, upgrade'),
  { why: 'an offered sub-protocol', add: [[PROTOCOL, 'v2.chat']] },
  { why: 'compression as offered', add: [[EXTENSIONS, DEFLATE]] },
];

/** The right accept value is made of the nonce that the server was given. */
export const brokenAnswers = (nonce: string, acceptValue: (nonce: string) => string): readonly UpgradeChange[] => [
  { why: 'no Upgrade', without: 'Upgrade' },
  instead('another protocol', 'Upgrade', 'h2c'),
  { why: 'Upgrade twice', add: [['Upgrade', 'websocket']] },
  { why: 'no Connection', without: 'Connection' },
  instead('a Connection that closes', 'Connection', 'close'),
  { why: 'no accept value', without: 'Sec-WebSocket-Accept' },
  instead('an empty accept value', 'Sec-WebSocket-Accept', ''),
  instead('the nonce itself', 'Sec-WebSocket-Accept', nonce),
  instead('the value of another nonce', 'Sec-WebSocket-Accept', acceptValue('AAAAAAAAAAAAAAAAAAAAAA==')),
  instead('the value in small letters', 'Sec-WebSocket-Accept', acceptValue(nonce).toLowerCase()),
  { why: 'two accept values', add: [['Sec-WebSocket-Accept', acceptValue(nonce)]] },
  { why: 'a sub-protocol that was not offered', add: [[PROTOCOL, 'v3.chat']] },
  { why: 'a sub-protocol in another case', add: [[PROTOCOL, 'V1.chat']] },
  { why: 'both sub-protocols', add: [[PROTOCOL, 'v1.chat, v2.chat']] },
  { why: 'two sub-protocols', add: [[PROTOCOL, 'v1.chat'], [PROTOCOL, 'v2.chat']] },
  { why: 'an empty sub-protocol', add: [[PROTOCOL, '']] },
  { why: 'another extension', add: [[EXTENSIONS, 'x-webkit-deflate-frame']] },
  { why: 'two extensions', add: [[EXTENSIONS, `${DEFLATE}, x-other`]] },
  { why: 'the extension twice', add: [[EXTENSIONS, DEFLATE], [EXTENSIONS, DEFLATE]] },
  { why: 'compression with its context kept', add: [[EXTENSIONS, 'permessage-deflate']] },
  { why: 'a parameter that was not offered', add: [[EXTENSIONS, `${DEFLATE}; client_max_window_bits=10`]] },
  { why: 'an unknown parameter', add: [[EXTENSIONS, `${DEFLATE}; fast`]] },
]; // prettier-ignore
