import { Document, isMap, isPair, isScalar } from 'yaml';

/** What `init` writes: a bottle and an agent to begin with, every line explained, made of a few answers. */
export interface StarterAnswers {
  /** Name of both files. */
  readonly name: string;
  /** Host variable with the provider's token; null leaves the provider out. */
  readonly tokenVariable: string | null;
  readonly hosts: readonly string[];
  readonly gitUser: { readonly name: string | null; readonly email: string | null };
}

export interface StarterFile {
  /** Below the bot-bottle home. */
  readonly file: string;
  readonly text: string;
}

/** Relative to the file, so that the home can be anywhere. */
const schemaLine = (name: 'bottle' | 'agent' | 'settings', up: string): string =>
  ` yaml-language-server: $schema=${up}schemas/${name}.schema.json`;

export function starterFiles(answers: StarterAnswers): readonly StarterFile[] {
  return [
    { file: `bottles/${answers.name}.md`, text: starterBottle(answers) },
    { file: `agents/${answers.name}.md`, text: starterAgent(answers) },
  ];
}

function starterBottle({ tokenVariable, hosts, gitUser }: StarterAnswers): string {
  const routes = hosts.map((host) => ({ host, matches: [{ methods: ['GET', 'HEAD'] }] }));
  const user = {
    ...(gitUser.name === null ? {} : { name: gitUser.name }),
    ...(gitUser.email === null ? {} : { email: gitUser.email }),
  };
  const document = new Document({
    description: 'my first bottle',
    ...(tokenVariable === null ? {} : { agent_provider: { template: 'claude', auth_token: tokenVariable } }),
    env: { TZ: 'Etc/UTC' },
    egress: { routes },
    ...(Object.keys(user).length === 0 ? {} : { 'git-gate': { user } }),
    workspace: { mode: 'copy' },
  });
  document.commentBefore = schemaLine('bottle', '../');
  explain(document, {
    agent_provider: ` The variable of your environment that holds the token. The agent sees a placeholder;\n the gateway puts the token in.`,
    env: ` Variables of the bottle. "?" asks at the start; a variable of yours in \${…} is taken from your environment.`,
    egress:
      routes.length === 0
        ? ` What may be reached; everything else is refused. For example:\n   routes:\n     - host: api.github.com\n       auth: {scheme: Bearer, token_ref: GH_TOKEN}\n       matches: [{methods: [GET]}]`
        : ' What may be reached; everything else is refused. Without `matches` a host may be asked anything.',
    'git-gate': ' Who the commits made in this bottle are by.',
    workspace: ' copy: the agent works on a copy of the directory. none: on nothing.',
  });
  return `---\n${document.toString({ lineWidth: 0, flowCollectionPadding: false })}---\nWhat this bottle is for, in words for people.\n`;
}

function starterAgent({ name }: StarterAnswers): string {
  const document = new Document({ bottle: name });
  document.commentBefore = schemaLine('agent', '../');
  return `---\n${document.toString({ lineWidth: 0 })}---\nYou work in an isolated place. Make the change that is asked for, run the tests, and commit.\n`;
}

function explain(document: Document, comments: Readonly<Record<string, string>>): void {
  const { contents } = document;
  if (!isMap(contents)) return;
  for (const pair of contents.items) {
    if (!isPair(pair) || !isScalar(pair.key)) continue;
    const comment = comments[String(pair.key.value)];
    if (comment !== undefined) pair.key.commentBefore = comment;
    pair.key.spaceBefore = pair !== contents.items[0];
  }
}
