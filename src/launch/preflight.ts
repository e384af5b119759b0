import {
  explainJson,
  explainLines,
  originOf,
  placeText,
  secretsInClear,
  type EffectiveBottle,
  type ExplainedLine,
  type ExplainedManifest,
} from '../manifest/index.ts';
import type { Unenforced } from '../policy/resources.ts';
import type { BottlePlan } from '../schema/plan.ts';
import { openings } from './plan.ts';

/** What a start is about to do, for the operator to say yes to: values masked, each line with where it comes from. */
export interface Preflight {
  readonly title: string;
  /** The effective manifest. */
  readonly manifest: readonly ExplainedLine[];
  /** What the command line, the provider and defaults add to it. */
  readonly added: readonly ExplainedLine[];
  readonly warnings: readonly PreflightWarning[];
}

export interface PreflightWarning {
  /** `danger`: something would be open that is closed by default; shown in red. */
  readonly level: 'danger' | 'note';
  readonly text: string;
  /** Lines that would avoid it, to paste. */
  readonly fix: readonly string[];
}

export interface PreflightParts {
  readonly plan: BottlePlan;
  readonly bottle: EffectiveBottle;
  /** `claude 2.1`, `command`. */
  readonly providerTitle: string;
  /** One line of the backend: what its wall is made of. */
  readonly wall: string;
  /** Values that are forwarded but not scanned for, with the reason (SECURITY S14). */
  readonly weakValues: readonly string[];
  /** Limits that this machine does not hold to the letter. */
  readonly unenforced: readonly Unenforced[];
  /** Other backends that would work on this machine. */
  readonly alsoHere: readonly string[];
}

export function preflight(parts: PreflightParts): Preflight {
  const { plan, bottle } = parts;
  const opened = openings(plan.gateway);
  const said = new Set(opened);
  return {
    title: [plan.label ?? plan.agent, parts.providerTitle, backendText(parts)].join(' · '),
    manifest: bottle.manifest.entries.size === 0 ? [] : explainLines(bottle),
    added: addedLines(parts),
    warnings: [
      ...clearValues(bottle),
      ...opened.map((text): PreflightWarning => ({ level: 'danger', text, fix: [] })),
      ...openRoutes(bottle),
      ...limitWarnings(bottle, parts.unenforced),
      ...parts.weakValues.map(note),
      ...plan.warnings.filter((text) => !said.has(text) && !text.includes(' would be inside in clear ')).map(note),
    ],
  };
}

/** `bubblewrap (docker and vm also here: --backend)` */
function backendText({ plan, alsoHere }: PreflightParts): string {
  if (alsoHere.length === 0) return plan.backend;
  const last = alsoHere.at(-1) ?? '';
  const names = alsoHere.length === 1 ? last : `${alsoHere.slice(0, -1).join(', ')} and ${last}`;
  return `${plan.backend} (${names} also here: --backend)`;
}

/** What was asked for and is not held, or only watched. */
export function limitWarnings(bottle: EffectiveBottle, limits: readonly Unenforced[]): readonly PreflightWarning[] {
  return limits.map(({ resource, level, why }) => ({
    level: level === 'absent' ? 'danger' : 'note',
    text: `${resource} (${placeText(originOf(bottle, ['resources', resource]))}) is ${why}`,
    fix: [],
  }));
}

/** For `--json`: the same, with the whole plan. */
export interface PreflightJson extends ExplainedManifest {
  readonly slug: string;
  readonly agent: string;
  readonly backend: string;
  readonly added: readonly ExplainedLine[];
  readonly unenforced: readonly Unenforced[];
  readonly alsoHere: readonly string[];
  readonly plan: BottlePlan;
}

export function preflightJson(parts: PreflightParts): PreflightJson {
  const { plan, bottle } = parts;
  const { added, warnings } = preflight(parts);
  return {
    ...explainJson(bottle),
    slug: plan.slug,
    agent: plan.agent,
    backend: plan.backend,
    added,
    unenforced: parts.unenforced,
    alsoHere: parts.alsoHere,
    warnings: warnings.map(({ text }) => text),
    plan,
  };
}

function addedLines({ plan, wall }: PreflightParts): readonly ExplainedLine[] {
  const provided = plan.gateway.routes.filter(({ origin }) => origin === 'provider');
  return [
    ...provided.map(({ route, source }) => {
      const methods = route.matches?.flatMap((match) => match.methods ?? []) ?? [];
      const paths = route.matches?.flatMap((match) => match.paths?.map(({ value }) => value) ?? []) ?? [];
      const token = route.auth === undefined ? '' : `, token ${route.auth.token_ref}`;
      const what = [[...new Set(methods)].join('|'), [...new Set(paths)].join(' ')].filter(Boolean).join(' ');
      return { text: `route ${route.host}${token}${what === '' ? '' : `, ${what}`}`, source };
    }),
    { text: `workspace ${workspaceText(plan)}`, source: null },
    { text: `walls ${plan.backend}: ${wall}`, source: null },
  ];
}

function workspaceText({ workspace }: BottlePlan): string {
  if (workspace.mode === 'none') return 'none: empty at the start';
  const what = { copy: 'copy', clone: 'clone, as last committed', bind: 'bind: the agent works in it' }[workspace.mode];
  return `${workspace.source} (${what})`;
}

/** SECURITY S8: each secret that would be inside, with the lines that keep it out. */
function clearValues(bottle: EffectiveBottle): readonly PreflightWarning[] {
  return secretsInClear(bottle.env, bottle.egress.routes).map(({ name, origin }) => ({
    level: 'danger',
    text: `${name} would be inside in clear (${placeText(origin)}): the agent can read it, and encryption would carry it out`,
    fix: [
      'Keep it out, with these lines on the route of the host that it is for:',
      `  placeholders: [{env: ${name}, in: header, name: authorization}]`,
    ],
  }));
}

/** Where nothing is decided but the host: the agent can carry data to an account of anybody's. */
function openRoutes(bottle: EffectiveBottle): readonly PreflightWarning[] {
  return bottle.egress.routes.flatMap(({ route, origin }): readonly PreflightWarning[] => {
    const place = placeText(origin);
    const foreign: readonly PreflightWarning[] =
      route.auth === undefined && route.agent_credentials === 'allow'
        ? [
            {
              level: 'danger',
              text: `${route.host} takes credentials of the agent's own (${place}): anyone can have an account there`,
              fix: ['agent_credentials: deny'],
            },
          ]
        : [];
    const carries = route.auth !== undefined || route.placeholders !== undefined;
    const parts: readonly PreflightWarning[] =
      route.range === true && carries
        ? [
            note(
              `parts of answers of ${route.host} may be asked for (range: true, ${place}): where it echoes a credential, up to seven characters can show at each end of one`,
            ),
          ]
        : [];
    return [...foreign, ...parts];
  });
}

function note(text: string): PreflightWarning {
  return { level: 'note', text, fix: [] };
}
