import crypto from 'node:crypto';
import { canonicalJson } from '../kernel/canonical-json.ts';
import { parseHostSpec } from '../policy/host.ts';
import { impactOf } from '../policy/impact.ts';
import type { ProposalState } from '../protocol/proposal-state.ts';
import type { GatewayConfig } from '../schema/gateway-config.ts';
import type { ProposalView } from '../schema/inbox.ts';
import type { AskedRoute, Impact } from '../schema/proposal.ts';
import { registrableDomain } from './registrable.ts';

/** A proposal as the operator sees it, against the policy as it is at this moment. */
export function viewOf(state: ProposalState, live: GatewayConfig): ProposalView {
  const { proposal, answer } = state;
  const { route } = proposal;
  const impact = impactOf(live, route);
  const pattern = parseHostSpec(route.host);
  return {
    id: proposal.id,
    slug: proposal.slug,
    kind: proposal.kind,
    title: titleOf(route),
    risk: impact.risk,
    createdAt: proposal.createdAt,
    lastAskedAt: state.lastAskedAt,
    count: state.count,
    status: state.status,
    reason: proposal.reason,
    route,
    domain: pattern.ok ? registrableDomain(pattern.value.host) : null,
    impact,
    digest: digestOf(proposal.id, impact),
    failure: state.failure,
    answer:
      answer === null
        ? null
        : {
            at: answer.at,
            note: answer.note,
            scope: answer.event === 'approved' ? answer.scope : null,
            granted: answer.event === 'approved' ? answer.granted : null,
          },
  };
}

/** The generation alone changes nothing that is shown, and so makes no answer stale. */
function digestOf(id: string, { generation: _, ...shown }: Impact): string {
  return crypto.hash('sha256', canonicalJson({ id, shown }), 'hex');
}

function titleOf({ host, matches, gitFetch }: AskedRoute): string {
  const git = gitFetch === true ? ' and git fetch' : '';
  const [first, ...more] = matches ?? [];
  if (first === undefined) return `every request to ${host}${git}`;
  const methods = first.methods?.join(',') ?? 'any method';
  const [path, ...paths] = first.paths ?? [];
  const where = path === undefined ? '/*' : `${path.value}${path.type === 'exact' ? '' : '…'}`;
  const rest = more.length + paths.length;
  return `${methods} ${host}${where}${rest === 0 ? '' : ` and ${String(rest)} more`}${git}`;
}
