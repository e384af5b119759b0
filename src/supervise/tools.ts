import { McpServer, type CallToolResult, type ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { ignoreUnlessAwaited } from '../kernel/promises.ts';
import type { ProposalState } from '../protocol/proposal-state.ts';
import { PROPOSAL_STATUSES } from '../schema/inbox.ts';
import { AllowAskSchema, AskedRouteSchema } from '../schema/proposal.ts';
import { RoutesSnapshotSchema } from '../schema/supervise-service.ts';
import { BottleError } from '../kernel/errors.ts';
import type { Desk } from './desk.ts';
import { SUPERVISE_LIMITS } from './limits.ts';

/** The tools as an agent sees them (REFERENCE 8). Thin: what they mean is in `desk.ts`. */
const AnswerSchema = z.object({
  id: z.string().describe('Of the proposal; for proposal-status.'),
  status: z.enum([...PROPOSAL_STATUSES, 'refused']),
  /** What it means and what to do now. */
  message: z.string(),
  granted: AskedRouteSchema.optional().describe('What was allowed: what you asked for, or less.'),
});
type Answer = z.infer<typeof AnswerSchema>;

const SECONDS = String(SUPERVISE_LIMITS.waitMs / 1000);
const ALLOW =
  'Ask the operator to let requests to a host through. Say which paths and methods you need, as few as will do, and why: ' +
  `a person reads it. Waits up to ${SECONDS} s; an answer of "pending" is no error: go on, and look again with proposal-status.`;

export function createToolServer(desk: Desk, version: string): McpServer {
  const server = new McpServer({ name: 'bot-bottle-supervise', version }, { capabilities: { tools: {} } });
  for (const [name, description] of [
    ['allow', ALLOW],
    ['egress-block', `The old name of allow. ${ALLOW}`],
  ] as const) {
    server.registerTool(
      name,
      { title: 'Ask for network access', description, inputSchema: AllowAskSchema, outputSchema: AnswerSchema },
      async (ask, context) => {
        const outcome = await desk.ask(ask, { signal: context.mcpReq.signal, onProgress: progress(context) });
        if (outcome.kind === 'state') return answered(describe(outcome.state));
        return { ...answered({ id: '', status: 'refused', message: `Not filed: ${outcome.why}.` }), isError: true };
      },
    );
  }
  server.registerTool(
    'proposal-status',
    {
      title: 'How a proposal stands',
      description: 'How a proposal of yours stands. Answers at once.',
      inputSchema: z.strictObject({ id: z.string().regex(/^[0-9a-f]{6,64}$/, 'the id that allow answered') }),
      outputSchema: AnswerSchema,
      annotations: { readOnlyHint: true },
    },
    ({ id }) => {
      const state = desk.status(id);
      if (state !== null) return answered(describe(state));
      return {
        ...answered({ id, status: 'refused', message: 'There is no such proposal of this bottle.' }),
        isError: true,
      };
    },
  );
  server.registerTool(
    'list-egress-routes',
    {
      title: 'What may be reached',
      description: 'The hosts, paths and methods that requests may go to now. Answers at once, from memory.',
      outputSchema: RoutesSnapshotSchema,
      annotations: { readOnlyHint: true },
    },
    () => {
      const routes = desk.routes();
      return { content: [{ type: 'text', text: JSON.stringify(routes) }], structuredContent: routes };
    },
  );
  server.registerTool(
    'capability-block',
    {
      title: 'Ask for a program',
      description: 'Propose a Dockerfile for programs that are missing. Not there for bottles without an image.',
      inputSchema: z.strictObject({ dockerfile: z.string().max(65_536), reason: z.string().max(2_000) }),
    },
    () => ({
      content: [
        {
          type: 'text',
          text: 'This bottle has no image that could be changed. Say with report what is missing; the operator can install it.',
        },
      ],
      isError: true,
    }),
  );
  server.registerTool(
    'report',
    {
      title: 'Tell the operator',
      description:
        'Leave a note for the operator: something you noticed, or that keeps you from going on. Nothing waits for an answer.',
      inputSchema: z.strictObject({ text: z.string().trim().min(1).max(2_000) }),
    },
    ({ text }) =>
      desk.report(text)
        ? { content: [{ type: 'text', text: 'Noted.' }] }
        : { content: [{ type: 'text', text: 'Not noted: there are many notes already.' }], isError: true },
  );
  return server;
}

function progress({ mcpReq }: ServerContext): (waitedMs: number) => void {
  const token = mcpReq._meta?.progressToken;
  if (token === undefined) return () => undefined;
  return (waitedMs) => {
    const params = {
      progressToken: token,
      progress: Math.round(waitedMs / 1000),
      total: SUPERVISE_LIMITS.waitMs / 1000,
      message: 'waiting for the operator',
    };
    mcpReq.notify({ method: 'notifications/progress', params }).catch(ignoreUnlessAwaited);
  };
}

function answered(answer: Answer): CallToolResult {
  const granted = answer.granted === undefined ? '' : `\nAllowed: ${JSON.stringify(answer.granted)}`;
  const id = answer.id === '' ? '' : `\nProposal ${answer.id}: ${answer.status}`;
  return { content: [{ type: 'text', text: `${answer.message}${granted}${id}` }], structuredContent: answer };
}

function describe({ proposal, status, answer }: ProposalState): Answer {
  const { id } = proposal;
  const note = answer === null || answer.note === '' ? '' : ` The operator says: ${answer.note}`;
  switch (status) {
    case 'pending':
      return {
        id,
        status,
        message: 'The operator has not answered yet. Go on with something else, and look again with proposal-status.',
      };
    case 'approved': {
      if (answer?.event !== 'approved') throw new BottleError('state_invalid', { message: `${id} has no answer` });
      return { id, status, message: `It is allowed, and in force: retry the request.${note}`, granted: answer.granted };
    }
    case 'rejected':
      return { id, status, message: `The operator said no. Trying another way will not work.${note}` };
    case 'undone':
      return { id, status, message: 'It was allowed, and the operator has taken it back.' };
    case 'lapsed':
      return { id, status, message: 'It was allowed for a time that is over. You may ask again.' };
    case 'expired':
      return { id, status, message: 'Nobody answered in a day. You may ask again.' };
  }
}
