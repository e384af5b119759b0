import { describe, expect, it, test } from 'vitest';
import { acceptValue, checkUpgrade, type WebSocketOffer } from '../../src/egress/websocket-handshake.ts';
import { readUpgrade } from '../../src/policy/websocket.ts';
import type { Header } from '../../src/schema/header.ts';
import {
  ASKED,
  brokenAnswers,
  changed,
  COMPRESSION,
  REFUSED,
  TAKEN,
  UPGRADE,
  upgradeAnswer,
  type UpgradeChange,
} from '../protocol/vectors/upgrades.ts';

const NONCE = 'dGhlIHNhbXBsZSBub25jZQ==';
const OFFER: WebSocketOffer = {
  agentNonce: 'AAAAAAAAAAAAAAAAAAAAAA==',
  upstreamNonce: NONCE,
  deflate: { answer: 'permessage-deflate', windowBits: 15 },
};
const OFFERED: readonly Header[] = [['Sec-WebSocket-Protocol', 'v1.chat, v2.chat']];
const BROKEN = brokenAnswers(NONCE, acceptValue);

describe('S23: upgrades', () => {
  test('the tables have at least sixty vectors', () => {
    expect(ASKED.length + REFUSED.length + TAKEN.length + BROKEN.length).toBeGreaterThanOrEqual(60);
  });

  it.each(ASKED)('asked: $why', (change) => {
    expect(readUpgrade({ method: 'GET', headers: changed(UPGRADE, change) })).toEqual({ kind: 'websocket' });
  });

  it.each(REFUSED)('refused: $why', (change) => {
    const wish = readUpgrade({ method: change.method ?? 'GET', headers: changed(UPGRADE, change) });
    expect(wish.kind).toBe('refused');
  });

  it('a request without Upgrade wishes for nothing', () => {
    expect(readUpgrade({ method: 'POST', headers: [['Connection', 'keep-alive']] })).toEqual({ kind: 'none' });
  });

  const check = (change: UpgradeChange, offer = OFFER): boolean =>
    checkUpgrade(
      { version: '1.1', status: 101, statusText: '', headers: changed(upgradeAnswer(acceptValue(NONCE)), change) },
      offer,
      OFFERED,
    ).ok;

  it.each(TAKEN)('answered: $why', (change) => {
    expect(check(change)).toBe(true);
  });

  it.each(BROKEN)('answered wrongly: $why', (change) => {
    expect(check(change)).toBe(false);
  });

  it('answered wrongly: compression that was not offered', () => {
    expect(check({ why: '', add: [COMPRESSION] }, { ...OFFER, deflate: null })).toBe(false);
  });
});
