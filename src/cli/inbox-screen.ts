import { Box, render, Text, useApp, useInput, useWindowSize } from 'ink';
import { createElement as h, useEffect, useState, type ReactNode } from 'react';
import { BottleError } from '../kernel/errors.ts';
import type { ProposalView } from '../schema/inbox.ts';
import { SCOPES, type Scope } from '../schema/proposal.ts';
import { ageText, detailLines, field, SCOPE_WORDS, shortId } from '../supervise/present.ts';
import type { CliContext } from './context.ts';
import { readInbox, sendAnswer, sendUndo } from './inbox.ts';

/** `bot-bottle supervise` on a terminal: all bottles' proposals, live; what a yes would open, and the answer by a key. */
const POLL_MS = 500;
const RISK_COLOURS = { low: 'green', medium: 'yellow', high: 'red' } as const;

export async function showInboxScreen(context: CliContext): Promise<void> {
  // Who comes here sits at a terminal, whatever the environment says of CI.
  const screen = render(h(Inbox, { context }), { exitOnCtrlC: true, alternateScreen: true, interactive: true });
  context.stopRequested.addEventListener('abort', () => {
    screen.unmount();
  });
  await screen.waitUntilExit();
}

/** What a key press means depends on what is asked: nothing, a note for a no, or the host for a wide yes. */
type Mode =
  | { readonly kind: 'list' }
  | { readonly kind: 'note'; readonly view: ProposalView; readonly text: string }
  | { readonly kind: 'host'; readonly view: ProposalView; readonly narrower: string | null; readonly text: string };

interface Parts {
  readonly context: CliContext;
}

function Inbox({ context }: Parts): ReactNode {
  const { exit } = useApp();
  const { columns, rows } = useWindowSize();
  const [views, setViews] = useState<readonly ProposalView[]>([]);
  const [bottles, setBottles] = useState(0);
  const [selected, setSelected] = useState<string | null>(null);
  const [mode, setMode] = useState<Mode>({ kind: 'list' });
  const [scope, setScope] = useState<Scope>('run');
  const [said, setSaid] = useState('');

  useEffect(() => {
    let over = false;
    const look = async (): Promise<void> => {
      const inbox = await readInbox(context);
      if (over) return;
      setBottles(inbox.bottles);
      setViews(inbox.proposals.filter(({ status }) => status === 'pending' || status === 'approved'));
    };
    const timer = setInterval(() => {
      look().catch(say);
    }, POLL_MS);
    look().catch(say);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [context]);

  const say = (failure: unknown): void => {
    setSaid(failure instanceof Error ? field(failure.message) : 'failed');
  };
  const at = Math.max(
    0,
    views.findIndex(({ id, slug }) => `${slug} ${id}` === selected),
  );
  const view = views[at];
  const select = (index: number): void => {
    const next = views[Math.min(Math.max(index, 0), views.length - 1)];
    if (next !== undefined) setSelected(`${next.slug} ${next.id}`);
  };
  /** Sends back the digest of what is on the screen: another one is stale (SECURITY S33). */
  const approve = (chosen: ProposalView, narrower: string | null): void => {
    const { id, slug, digest } = chosen;
    sendAnswer(context, slug, { verdict: 'approve', id, digest, scope, narrower, granted: null, note: '' }).then(() => {
      setSaid(`${shortId(id)} allowed for ${SCOPE_WORDS[scope]}, in force`);
    }, say);
  };
  const begin = (chosen: ProposalView, narrower: string | null): void => {
    if (chosen.impact.confirm) setMode({ kind: 'host', view: chosen, narrower, text: '' });
    else approve(chosen, narrower);
  };

  useInput((input, key) => {
    if (mode.kind !== 'list') {
      // What is pasted, or typed fast, comes with its Enter in one piece.
      const [typed = '', ...after] = input.split('\r');
      if (key.escape) setMode({ kind: 'list' });
      else if (key.backspace || key.delete) setMode({ ...mode, text: mode.text.slice(0, -1) });
      else if (key.return || after.length > 0) finish({ ...mode, text: `${mode.text}${typed}`.slice(0, 255) });
      else setMode({ ...mode, text: `${mode.text}${typed}`.slice(0, 255) });
      return;
    }
    if (input === 'q') exit();
    else if (key.upArrow || input === 'k') select(at - 1);
    else if (key.downArrow || input === 'j') select(at + 1);
    else if (input === 's') setScope(SCOPES[(SCOPES.indexOf(scope) + 1) % SCOPES.length] ?? 'run');
    else if (view !== undefined) answer(view, input, key.return);
  });

  const answer = (chosen: ProposalView, input: string, entered: boolean): void => {
    if (chosen.status === 'approved') {
      if (input !== 'u') return;
      sendUndo(context, chosen).then(() => {
        setSaid(`${shortId(chosen.id)} taken back`);
      }, say);
      return;
    }
    const narrower = chosen.impact.narrower.find(({ key }) => key === `n${input}`);
    if (narrower !== undefined) begin(chosen, narrower.key);
    else if (input === 'a') begin(chosen, null);
    else if (input === 'r' || entered) setMode({ kind: 'note', view: chosen, text: '' });
  };
  const finish = (entered: Exclude<Mode, { kind: 'list' }>): void => {
    setMode({ kind: 'list' });
    if (entered.kind === 'note') {
      const { id, slug, digest } = entered.view;
      sendAnswer(context, slug, { verdict: 'reject', id, digest, note: entered.text }).then(() => {
        setSaid(`${shortId(id)} rejected`);
      }, say);
    } else if (entered.text === entered.view.route.host) approve(entered.view, entered.narrower);
    else say(new BottleError('proposal_refused', { message: 'that is not the host; nothing was answered' }));
  };

  const listed = Math.max(3, Math.floor(rows / 3));
  const from = Math.max(0, Math.min(at - 1, views.length - listed));
  const waiting = views.filter(({ status }) => status === 'pending').length;
  return h(
    Box,
    { flexDirection: 'column', width: columns, height: rows - 1 },
    line(h(Text, { bold: true }, `supervise · ${String(waiting)} waiting · ${String(bottles)} bottles may ask`)),
    ...views.slice(from, from + listed).map((each) => row(each, each === view)),
    line('─'.repeat(Math.max(0, columns - 2))),
    ...(view === undefined ? [line('nothing waits for an answer')] : details(view, rows - listed - 6)),
    h(Box, { flexGrow: 1 }),
    line(prompt(mode, said)),
    line(h(Text, { dimColor: true }, `a allow  1-9 narrower  r reject  u undo  s scope: ${scope}  q quit`)),
  );
}

function line(content: ReactNode): ReactNode {
  return h(Text, { wrap: 'truncate-end' }, content);
}

function row(view: ProposalView, isSelected: boolean): ReactNode {
  const mark = isSelected ? '▸' : ' ';
  const state = view.status === 'approved' ? 'allowed' : view.risk;
  return line(
    h(
      Text,
      { key: view.id, inverse: isSelected },
      `${mark} ${shortId(view.id)} ${view.slug}  ${state.padEnd(7)} ${ageText(Date.now() - Date.parse(view.createdAt))}  ${field(view.title)}`,
    ),
  );
}

function details(view: ProposalView, most: number): readonly ReactNode[] {
  return detailLines(view)
    .slice(0, Math.max(1, most))
    .map(({ label, text }) => {
      const colour = label.startsWith('Why') ? { color: RISK_COLOURS[view.risk] } : {};
      return line(h(Text, colour, ` ${label.padEnd(14)} ${text}`));
    });
}

function prompt(mode: Mode, said: string): string {
  switch (mode.kind) {
    case 'list':
      return said;
    case 'note':
      return `What the agent is told (Enter rejects, Esc goes back): ${field(mode.text)}`;
    case 'host':
      return `This widens far. Type ${field(mode.view.route.host)}: ${field(mode.text)}`;
  }
}
