/** Every bound of the system, with its unit in the name. Hitting one is a verdict that a test shows. */
export const KiB = 1024;
export const MiB = 1024 * KiB;

export const LIMITS = {
  /** A container engine that is there answers a ping at once; what it answers otherwise is lists and descriptions. */
  enginePingMs: 3_000,
  engineAnswerBytes: 16 * MiB,
  /** Request or response head, all lines together (like nginx's four 8 KiB buffers). */
  httpHeadBytes: 64 * KiB,
  httpHeaderCount: 200,
  httpChunkLineBytes: 256,
  httpTrailerBytes: 16 * KiB,
  /** Requests that one HTTP/2 connection may have open at a time; more are refused by stream. */
  http2Streams: 128,
  /** Resets and refused streams that one connection may cause in a row, and how many of them are forgiven a second. */
  http2ResetBurst: 256,
  http2ResetsPerSecond: 64,
  http2InvalidFrames: 32,
  http2OutstandingPings: 10,
  http2SettingsEntries: 32,
  /** What the HTTP/2 stack may keep for one connection, all of its streams together. */
  http2SessionMiB: 16,
  /** What an upstream may send of one stream before we have passed it on. */
  http2UpstreamWindowBytes: 1 * MiB,
  /** One WebSocket message, as it is and inflated: held whole until it was scanned (SECURITY S17). */
  webSocketMessageBytes: 16 * MiB,
  /** One gRPC message that is compressed: held whole until it was undone and scanned. */
  grpcMessageBytes: 16 * MiB,
  /** RFC 6455, 5.5. */
  webSocketControlBytes: 125,
  /** RFC 8446 allows 16 KiB records; a client hello over this is nobody's honest first flight. */
  clientHelloBytes: 16 * KiB,
  /** First bytes must name the protocol within this. */
  firstBytesTimeoutMs: 10_000,
  upstreamConnectTimeoutMs: 10_000,
  /** RFC 8305, section 8: how long one address is alone before the next is tried beside it. */
  connectHeadStartMs: 250,
  tlsSessions: 256,
  upstreamFirstByteTimeoutMs: 600_000,
  idleTimeoutMs: 600_000,
  requestHeadTimeoutMs: 30_000,
  dnsTimeoutMs: 5_000,
  /** A body that must be whole before it leaves waits in memory up to this, and beyond it in a file. */
  heldBodyMemoryBytes: 1 * MiB,
  /** Beyond this it is refused as unscannable. */
  heldBodyBytes: 256 * MiB,
  /** A body in which a value is put in its place is read as a text. */
  swappedBodyBytes: 16 * MiB,
  /** What a content-coded body may unfold to; it is scanned as it comes out, and not kept. */
  decodedBodyBytes: 1024 * MiB,
  decodedRatio: 200,
  /** Packed data within a text, as digits or as a part: it is held whole, and unpacked at once. */
  packedBytes: 16 * MiB,
  /** What all of it in one body may unpack to. */
  unpackedBytes: 64 * MiB,
  /** Answers of one route in which a credential had to be masked: so many in that time are an alert (SECURITY S13). */
  echoesPerWindow: 3,
  echoWindowMs: 60_000,
  /** Where `range: true` lets a part of such an answer be asked for: no shorter, and no more at once. */
  maskedRangeBytes: 1 * KiB,
  maskedRanges: 16,
  /** Bytes of a known value below which it is not scanned for (SECURITY S14). */
  knownValueMinChars: 8,
  knownValueMinBits: 28,
  /** Of a path without its query; most servers take no longer request line. */
  pathBytes: 8 * KiB,
  pathReadingRounds: 4,
  pathReadings: 64,
  /** Of the automaton of one rule's pattern. */
  ruleSteps: 4000,
  /** How far a rule looks from the beginning of a match when its pattern says no end (DESIGN 6). */
  ruleWindowBytes: 16 * KiB,
  /** Of one `regex` in `matches`: time per character of the text is bounded by it (SECURITY S22). */
  patternStates: 500,
  leafCertificates: 512,
  upstreamIdleConnections: 64,
  /** Record fields are cut to these (SECURITY S35). */
  recordPathBytes: 2 * KiB,
  recordHostBytes: 255,
  recordFieldBytes: 512,
  openConnections: 1024,
  /** Bytes read from one socket that nobody has asked for yet; beyond it the socket is paused. */
  wireQueueBytes: 64 * KiB,
  /** All that is held at one time, in memory and in files; beyond it a request is refused with `limit_reached`. */
  heldTotalBytes: 256 * MiB,
  /** Of that in memory; more bodies go to files at once, and WebSocket messages are refused. */
  heldMemoryTotalBytes: 128 * MiB,
  upstreamIdleMs: 30_000,
  /** A request that must not be sent twice only reuses a connection that was used this recently. */
  upstreamFreshIdleMs: 3_000,
  /** After a refusal, the rest of the request is read and thrown away up to these, so that the answer arrives. */
  discardBytes: 256 * KiB,
  discardMs: 2_000,
  dnsMessageBytes: 4 * KiB,
  dnsTcpIdleMs: 10_000,
  dnsTcpConnections: 64,
  dnsTtlSeconds: 5,
  controlLineBytes: 1 * MiB,
  serviceStopGraceMs: 8_000,
  drainMs: 3_000,
  readyTimeoutMs: 15_000,
  /** What stop waits for init beyond the services' grace before it ends everything itself. */
  bundleStopMarginMs: 3_000,
  /** One message between launcher and init: a spawn order or a reload carries a whole service document. */
  bundleMessageBytes: 16 * MiB,
  /** What a service says on its status pipe, and one line of what it writes to its log. */
  serviceLineBytes: 64 * KiB,
  restartWindowMs: 60_000,
  restartsPerWindow: 5,
  /** Linux's MAX_ARG_STRLEN less the closing zero byte: the longest single argument of a program. */
  argumentBytes: 128 * KiB - 1,
  /** Fetching an agent's program, some hundred megabytes, over a slow line. */
  toolFetchTimeoutMs: 900_000,
  /** Kept of what a tool says on stderr, for the error message. */
  toolOutputBytes: 16 * KiB,
  /** What a look into an agent's tree may answer: the list of its entries. */
  treeAnswerBytes: 256 * MiB,
  /** What an agent's work may weigh when it comes home. */
  deliveryBytes: 4 * 1024 * MiB,
  deliveryEntries: 500_000,
  /** The list of refs that a push begins with, and how many it may have. */
  gitPushListBytes: 4 * MiB,
  gitPushRefs: 10_000,
  /** What an upstream may list. */
  gitAdvertisementBytes: 64 * MiB,
  /** What one question to git may answer, and one answer of an upstream to a push. */
  gitAnswerBytes: 64 * MiB,
  /** Requests to one repository that are served at a time; more are told to come again. */
  gitRequestsPerRepo: 32,
  /** An upstream that says nothing for so long is given up. */
  upstreamAnswerMs: 30_000,
  /** How long an upstream may take over a push once it has all of it. */
  upstreamPushMs: 600_000,
  /** Objects that are looked at whole: commits, tags, trees, and files up to this. */
  gitWholeObjectBytes: 8 * MiB,
  /** What one packed file in a push may unfold to, all that is packed in it together. */
  gitUnfoldedBytes: 256 * MiB,
  gitUnfoldedFiles: 10_000,
  gitFindings: 200,
  /** A bottle, agent or settings file, prompt included. */
  manifestBytes: 512 * KiB,
} as const;
