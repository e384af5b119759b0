import { describe, expect, it } from 'vitest';
import { keepAlive } from '../../../src/protocol/http1/framing.ts';
import type { Header } from '../../../src/protocol/http1/head.ts';

describe('S22 whether a connection carries on', () => {
  it.each([
    { version: '1.1', headers: [], keeps: true, why: '1.1 does unless told' },
    { version: '1.1', headers: [['Connection', 'close']], keeps: false, why: 'told' },
    { version: '1.1', headers: [['connection', 'Upgrade, CLOSE']], keeps: false, why: 'told in a list, in capitals' },
    { version: '1.1', headers: [['Connection', 'x'], ['Connection', 'close']], keeps: false, why: 'told in the second field' },
    { version: '1.1', headers: [['Connection', 'keep-alive']], keeps: true, why: 'asked for what is so already' },
    { version: '1.1', headers: [['Connection', 'keep-alive, close']], keeps: false, why: 'close wins' },
    { version: '1.1', headers: [['Connection', 'closed']], keeps: true, why: 'another word' },
    { version: '1.1', headers: [['X-Connection', 'close']], keeps: true, why: 'another field' },
    { version: '1.1', headers: [['Proxy-Connection', 'close']], keeps: false, why: 'told by a name that others heed' },
    { version: '1.0', headers: [], keeps: false, why: '1.0 does not unless asked' },
    { version: '1.0', headers: [['Connection', 'Keep-Alive']], keeps: true, why: 'asked' },
    { version: '1.0', headers: [['Connection', 'keep-alive'], ['Connection', 'close']], keeps: false, why: 'close wins on 1.0 too' },
    { version: '1.0', headers: [['Keep-Alive', 'timeout=5']], keeps: false, why: 'a parameter is not the asking' },
  ] satisfies readonly { version: '1.0' | '1.1'; headers: Header[]; keeps: boolean; why: string }[])(
    '$version $headers: $why',
    ({ version, headers, keeps }) => {
      expect(keepAlive({ method: 'GET', target: '/', version, headers })).toBe(keeps);
      expect(keepAlive({ status: 200, statusText: '', version, headers })).toBe(keeps);
    },
  );
}); // prettier-ignore
