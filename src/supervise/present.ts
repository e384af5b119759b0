import { printable } from '../kernel/render-error.ts';
import type { ProposalView } from '../schema/inbox.ts';

/**
 * Proposals in words, for every surface. What an agent wrote is one field, on one line, of bounded length, with nothing in
 * it that steers a terminal; a name of a host is ASCII (SECURITY S33, S34).
 */
const REASON_CHARACTERS = 500;
const FIELD_CHARACTERS = 200;
export const SHORT_ID = 8;

export function field(text: string, most: number = FIELD_CHARACTERS): string {
  const shown = printable(text);
  return shown.length <= most ? shown : `${shown.slice(0, most)}… (${String(shown.length - most)} more)`;
}

export function shortId(id: string): string {
  return id.slice(0, SHORT_ID);
}

export function listRow(view: ProposalView, nowMs: number): readonly string[] {
  const again = view.count > 1 ? ` ×${String(view.count)}` : '';
  const age = ageText(nowMs - Date.parse(view.createdAt));
  return [shortId(view.id), view.slug, view.kind, view.status, view.risk, age, `${field(view.title, 100)}${again}`];
}

export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 3600) return `${String(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, '0')}`;
  return `${String(Math.floor(seconds / 3600))} h`;
}

export interface DetailLine {
  readonly label: string;
  readonly text: string;
}

/** All of a proposal, a labelled line each. */
export function detailLines(view: ProposalView): readonly DetailLine[] {
  const { impact, answer } = view;
  const opens = impact.opens.map((text) => field(text));
  const carries = impact.credential === null ? [] : [`these requests would carry ${field(impact.credential)}`];
  const now = impact.now.length === 0 ? ['nothing'] : impact.now.map((text) => field(text));
  const whose = view.domain === null ? [] : [{ label: 'Registered as', text: field(view.domain) }];
  return [
    ...labelled('Would open', [...opens, ...carries]),
    ...labelled('Now', now),
    ...whose,
    { label: `Why ${impact.risk}`, text: field(impact.why) },
    { label: 'It says', text: `"${field(view.reason, REASON_CHARACTERS)}"` },
    ...labelled(
      'Narrower',
      impact.narrower.map(({ key, title }) => `${key} ${title}`),
    ),
    ...(view.failure === null ? [] : [{ label: 'Not applied', text: field(view.failure, REASON_CHARACTERS) }]),
    ...(answer === null ? [] : [{ label: 'Answer', text: answerText(view.status, answer) }]),
  ];
}

function answerText(status: string, { at, scope, note }: NonNullable<ProposalView['answer']>): string {
  const how = scope === null ? '' : ` for ${SCOPE_WORDS[scope]}`;
  return `${status}${how}, ${at}${note === '' ? '' : `: ${field(note, REASON_CHARACTERS)}`}`;
}

export const SCOPE_WORDS = {
  hour: 'an hour',
  run: 'until the bottle ends',
  bottle: 'this bottle, resumed too',
} as const;

function labelled(label: string, texts: readonly string[]): readonly DetailLine[] {
  return texts.map((text, index) => ({ label: index === 0 ? label : '', text }));
}

/** For whatever carries it off this machine: plain, short, with no link to follow (SECURITY S34). */
export interface Alert {
  readonly event: 'proposal';
  readonly id: string;
  readonly slug: string;
  readonly kind: string;
  readonly title: string;
  readonly risk: string;
  readonly why: string;
  readonly reason: string;
  readonly digest: string;
  readonly createdAt: string;
}

export function alertOf(view: ProposalView): Alert {
  const { id, slug, kind, title, risk, impact, reason, digest, createdAt } = view;
  const plain = (text: string): string => withoutLinks(printable(text)).slice(0, REASON_CHARACTERS);
  return {
    event: 'proposal',
    id,
    slug,
    kind,
    title: plain(title),
    risk,
    why: plain(impact.why),
    reason: plain(reason),
    digest,
    createdAt,
  };
}

function withoutLinks(text: string): string {
  return text.replaceAll('://', '[:]//').replace(/\b(www)\./gi, '$1[.]');
}
