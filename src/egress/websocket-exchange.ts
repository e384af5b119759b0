import { LIMITS } from '../kernel/limits.ts';
import type { KnownValues } from '../dlp/known-values.ts';
import type { Screen } from '../dlp/screen.ts';
import { serialiseResponseHead } from '../protocol/http1/head.ts';
import type { Afterwards } from './agent-side.ts';
import type { AnswerOutcome } from './answer.ts';
import type { GatewayCore } from './core.ts';
import { maskHeaders, type OnMasked } from './echoes.ts';
import { agentHeaders } from './headers.ts';
import type { RequestAccount } from './record.ts';
import { findingsReason } from './upload.ts';
import { upgradeAnswer } from './websocket-handshake.ts';
import { relayWebSocket, type WebSocketEnd } from './websocket.ts';
import type { Wire } from './wire.ts';

export interface UpgradedParts {
  readonly core: GatewayCore;
  readonly account: RequestAccount;
  readonly agent: Wire;
  readonly upstream: Wire;
  readonly switched: Extract<AnswerOutcome, { readonly kind: 'switched' }>;
  readonly screen: Screen | null;
  readonly mask: KnownValues | null;
  readonly onMasked: OnMasked;
  readonly revoked: () => boolean;
}

/** Tells the agent that the upstream has switched, and serves the WebSocket to its end; the upstream is closed then. */
export async function serveUpgraded(parts: UpgradedParts): Promise<WebSocketEnd> {
  const { agent, upstream, account, mask } = parts;
  const { head, agreed } = parts.switched;
  const { offer } = agreed;
  const shape = { status: 101, framing: { kind: 'none' }, agentIsHttp10: false, keepAlive: true } as const;
  const passed = agentHeaders(head.headers, shape);
  const fields = mask === null ? passed : maskHeaders(mask, passed, parts.onMasked);
  account.status = 101;
  agent.write(serialiseResponseHead(101, 'Switching Protocols', upgradeAnswer(fields, agreed)));
  const end = await relayWebSocket({
    core: parts.core,
    account,
    agent: { wire: agent, windowBits: offer.deflate?.windowBits ?? null },
    upstream: { wire: upstream, windowBits: agreed.deflate ? 15 : null },
    screen: parts.screen,
    mask,
    revoked: parts.revoked,
  });
  void upstream.end(LIMITS.discardMs).then(() => {
    upstream.destroy();
  });
  return end;
}

/** The record's last line, and what becomes of the agent's connection. */
export function endWebSocket(account: RequestAccount, route: string | null, end: WebSocketEnd): Afterwards {
  switch (end.kind) {
    case 'closed':
      account.end('complete');
      return 'close';
    case 'gone':
      account.end(end.by === 'agent' ? 'agent_gone' : 'upstream_cut');
      return end.by === 'agent' ? 'cut' : 'close';
    case 'idle':
      account.end('agent_gone');
      return 'close';
    case 'found':
      account.found(end.findings);
      account.revise({ decision: 'deny', reason: findingsReason(end.findings), route });
      account.end('refused_midway');
      return 'close';
    case 'broken': {
      const byAgent = end.by === 'agent';
      const reason = end.code === 1009 || end.code === 1011 ? 'unscannable' : 'bad_request';
      account.revise(
        byAgent ? { decision: 'deny', reason, route } : { decision: 'allow', reason: 'upstream_invalid', route },
      );
      account.end(byAgent ? 'refused_midway' : 'upstream_cut');
      return 'close';
    }
  }
}
