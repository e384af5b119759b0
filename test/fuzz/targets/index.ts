import type { FuzzTarget } from '../target.ts';
import { chunkedBody } from './chunked-body.ts';
import { firstFlight } from './first-flight.ts';
import { requestHead, responseHead } from './heads.ts';
import { knownValues } from './known-values.ts';

export const TARGETS: readonly FuzzTarget[] = [requestHead, responseHead, chunkedBody, firstFlight, knownValues];
