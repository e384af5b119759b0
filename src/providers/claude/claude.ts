import { BottleError, BugError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { defineProvider, type ProvisionedFile, type ProvisionInput } from '../provider.ts';
import { installClaude } from './install.ts';
import { CLAUDE_HOST, claudeRoute } from './route.ts';
import { ClaudeSettingsSchema, type ClaudeSettings } from './settings.ts';

/** Claude Code (https://code.claude.com), the real CLI, behind a gateway that holds the credential. */
export const claudeProvider = defineProvider({
  template: 'claude',
  settingsSchema: ClaudeSettingsSchema,
  install: installClaude,
  provision: (input, settings) => {
    if (input.cli === null) throw new BugError('the claude provider is planned before its CLI was installed');
    return {
      title: input.cli.version === null ? 'claude' : `claude ${input.cli.version}`,
      argv: [input.cli.executable, ...commandLine(input, settings)],
      env: { ...FIXED_ENVIRONMENT, ...credentialEnvironment(input, settings) },
      files: homeFiles(input),
      routes: input.authToken === null ? [] : [claudeRoute(settings, input.authToken)],
      mounts: [input.cli.mount],
      verify: [{ kind: 'executable', path: input.cli.executable }],
      warnings: input.authToken === null ? [NO_TOKEN] : [],
    };
  },
});

/** What the CLI takes for a credential. The gateway removes it and puts the real one in (SECURITY S10). */
export const CLAUDE_PLACEHOLDERS = {
  oauth: {
    variable: 'CLAUDE_CODE_OAUTH_TOKEN',
    value: 'sk-ant-oat01-bot-bottle-placeholder-the-gateway-holds-the-token',
  },
  api_key: { variable: 'ANTHROPIC_API_KEY', value: 'sk-ant-api03-bot-bottle-placeholder-the-gateway-holds-the-key' },
} as const;

const NO_TOKEN =
  `agent_provider has no auth_token, so no route to ${CLAUDE_HOST} is added and Claude Code can't reach its model; ` +
  'name the host variable that holds the token of `claude setup-token`';

/**
 * The bottle is the wall: the CLI's own is off (SECURITY S7), and so is all it would send or fetch besides the
 * conversation, which the gateway refuses anyway.
 */
const FIXED_ENVIRONMENT = {
  IS_SANDBOX: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_BUG_COMMAND: '1',
  DISABLE_FEEDBACK_COMMAND: '1',
  CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY: '1',
  DISABLE_AUTOUPDATER: '1',
  DISABLE_UPDATES: '1',
  DISABLE_INSTALLATION_CHECKS: '1',
  CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: '1',
  ENABLE_CLAUDEAI_MCP_SERVERS: 'false',
} as const;

function credentialEnvironment(input: ProvisionInput, settings: ClaudeSettings): Readonly<Record<string, string>> {
  if (input.authToken === null) return {};
  const placeholder = CLAUDE_PLACEHOLDERS[settings.credential];
  return { [placeholder.variable]: placeholder.value };
}

/** The operator's prompt is added to Claude Code's own as it stands; nothing of ours joins it. */
function commandLine(input: ProvisionInput, settings: ClaudeSettings): readonly string[] {
  return [
    '--dangerously-skip-permissions',
    ...(input.continues ? ['--continue'] : []),
    ...(settings.model === undefined ? [] : ['--model', settings.model]),
    ...(input.prompt.trim() === '' ? [] : ['--append-system-prompt', argument('the agent’s prompt', input.prompt)]),
    ...headlessArguments(input, settings),
  ];
}

function headlessArguments(input: ProvisionInput, settings: ClaudeSettings): readonly string[] {
  if (input.headlessPrompt === null) return [];
  return [
    '--print',
    '--output-format',
    settings.output,
    // Claude Code refuses stream-json without it.
    ...(settings.output === 'stream-json' ? ['--verbose'] : []),
    ...(settings.output === 'stream-json' && settings.partial_messages ? ['--include-partial-messages'] : []),
    '--',
    argument('--prompt', input.headlessPrompt),
  ];
}

/** The kernel refuses one argument of 128 KiB or more (MAX_ARG_STRLEN); say so before anything is started. */
function argument(what: string, text: string): string {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > LIMITS.argumentBytes) {
    throw new BottleError('config_invalid', {
      message: `${what} is ${String(bytes)} bytes long; a program can be given at most ${String(LIMITS.argumentBytes)}`,
      hint: 'put the long part in a file of the workspace and point to it',
    });
  }
  return text;
}

/** What a first run would ask about, answered: onboarding, trust in the workspace, full permissions, the API key. */
function homeFiles(input: ProvisionInput): readonly ProvisionedFile[] {
  const state = {
    hasCompletedOnboarding: true,
    customApiKeyResponses: { approved: [CLAUDE_PLACEHOLDERS.api_key.value.slice(-20)], rejected: [] },
    projects: { [input.workspace]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
    ...mcpServers(input),
  };
  const settings = {
    skipDangerousModePermissionPrompt: true,
    // WebFetch would first ask Anthropic about each host; here the gateway decides which hosts there are.
    skipWebFetchPreflight: true,
    sandbox: { enabled: false },
  };
  return [jsonFile(`${input.home}/.claude.json`, state), jsonFile(`${input.home}/.claude/settings.json`, settings)];
}

/** The one that the operator can be asked by, in the user's own scope: nothing has to be agreed to first. */
function mcpServers({ superviseUrl }: ProvisionInput): object {
  if (superviseUrl === null || superviseUrl === undefined) return {};
  return { mcpServers: { supervise: { type: 'http', url: superviseUrl } } };
}

function jsonFile(path: string, value: unknown): ProvisionedFile {
  return { path, content: `${JSON.stringify(value, null, 2)}\n`, mode: 0o600 };
}
