import type { FuzzTarget } from '../target.ts';
import { chunkedBody } from './chunked-body.ts';
import { firstFlight } from './first-flight.ts';
import { requestHead, responseHead } from './heads.ts';
import { http2Requests } from './http2-requests.ts';
import { knownValues } from './known-values.ts';
import { webSocketFrames } from './websocket.ts';

export const TARGETS: readonly FuzzTarget[] = [
  requestHead,
  responseHead,
  chunkedBody,
  firstFlight,
  knownValues,
  http2Requests,
  webSocketFrames,
];
