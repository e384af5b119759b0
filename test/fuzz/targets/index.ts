import type { FuzzTarget } from '../target.ts';
import { absoluteForm } from './absolute-form.ts';
import { chunkedBody } from './chunked-body.ts';
import { CODED_BODIES } from './coded-bodies.ts';
import { dnsQuestions } from './dns-questions.ts';
import { eventStream } from './event-stream.ts';
import { firstFlight } from './first-flight.ts';
import { GIT } from './git.ts';
import { grpcBodies } from './grpc-bodies.ts';
import { grpcMessages } from './grpc-messages.ts';
import { requestHead, responseHead } from './heads.ts';
import { hostNames } from './host-names.ts';
import { http2Requests } from './http2-requests.ts';
import { knownValues } from './known-values.ts';
import { pathsAsRead } from './path-readings.ts';
import { percentEscapes } from './percent-escapes.ts';
import { webSocketFrames } from './websocket.ts';

export const TARGETS: readonly FuzzTarget[] = [
  requestHead,
  responseHead,
  absoluteForm,
  chunkedBody,
  ...CODED_BODIES,
  firstFlight,
  knownValues,
  percentEscapes,
  http2Requests,
  grpcMessages,
  grpcBodies,
  dnsQuestions,
  hostNames,
  pathsAsRead,
  ...GIT,
  webSocketFrames,
  eventStream,
];
