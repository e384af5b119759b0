import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/root.ts';

interface Ban {
  readonly name: string;
  readonly text: string;
  /** Part of the message, which points to the right place. */
  readonly says: string;
  readonly bannedIn: string;
  readonly allowedIn: string | null;
}

const BANS: readonly Ban[] = [
  {
    name: 'a secret revealed elsewhere',
    text: 'export const planted = (secret) => secret.expose();',
    says: 'src/platform/reveal.ts',
    bannedIn: 'src/egress/planted.ts',
    allowedIn: 'src/platform/reveal.ts',
  },
  {
    name: 'the environment read below the CLI',
    text: "export const planted = process.env['HOME'];",
    says: 'src/cli',
    bannedIn: 'src/launch/planted.ts',
    allowedIn: 'src/cli/planted.ts',
  },
  {
    name: 'the process ended below the CLI',
    text: 'export const planted = () => process.exit(1);',
    says: 'src/cli',
    bannedIn: 'src/launch/planted.ts',
    allowedIn: 'src/egress/main.ts',
  },
  {
    name: 'people spoken to below the CLI',
    text: "console.error('planted');",
    says: 'src/cli',
    bannedIn: 'src/platform/planted.ts',
    allowedIn: 'src/cli/planted.ts',
  },
  {
    name: 'the time taken in a pure folder',
    text: 'export const planted = Date.now();',
    says: 'src/ports',
    bannedIn: 'src/policy/planted.ts',
    allowedIn: 'src/platform/planted.ts',
  },
  {
    name: 'a date made in a pure folder',
    text: 'export const planted = new Date();',
    says: 'src/ports',
    bannedIn: 'src/dlp/planted.ts',
    allowedIn: 'src/state/planted.ts',
  },
  {
    name: 'the process seen from a pure folder',
    text: 'export const planted = process.pid;',
    says: 'src/ports',
    bannedIn: 'src/protocol/http1/planted.ts',
    allowedIn: 'src/platform/planted.ts',
  },
  {
    name: 'randomness taken',
    text: 'export const planted = Math.random();',
    says: 'src/ports/random.ts',
    bannedIn: 'src/launch/planted.ts',
    allowedIn: 'src/platform/random.ts',
  },
  {
    name: 'a host matched as text',
    text: "export const planted = (route, host) => host.endsWith('.example') || route.host.startsWith('a');",
    says: 'src/policy/host.ts',
    bannedIn: 'src/egress/planted.ts',
    allowedIn: 'src/policy/host.ts',
  },
  {
    name: 'an empty catch',
    text: 'export const planted = (f) => { try { f(); } catch { /* nothing */ } };',
    says: 'handled, translated or recorded',
    bannedIn: 'src/state/planted.ts',
    allowedIn: null,
  },
  {
    name: 'an empty catch callback',
    text: 'export const planted = (p) => p.catch(() => {});',
    says: 'handled, translated or recorded',
    bannedIn: 'src/bundle/planted.ts',
    allowedIn: null,
  },
  {
    name: 'a bare Error',
    text: "export const planted = () => { throw new Error('planted'); };",
    says: 'BottleError',
    bannedIn: 'src/manifest/planted.ts',
    allowedIn: 'test/planted.ts',
  },
  {
    name: 'a cast',
    text: 'export const planted = (value: unknown) => value as string;',
    says: 'zod schema',
    bannedIn: 'src/backends/bubblewrap/planted.ts',
    allowedIn: 'src/policy/permit.ts',
  },
  {
    name: 'JSON read without a schema',
    text: 'export const planted = (text: string) => JSON.parse(text);',
    says: 'decodeJson',
    bannedIn: 'src/state/planted.ts',
    allowedIn: 'src/schema/json.ts',
  },
  {
    name: 'a socket dialled elsewhere',
    text: "import { connect } from 'node:tls'; export const planted = connect(443);",
    says: 'Permit',
    bannedIn: 'src/egress/planted.ts',
    allowedIn: 'src/platform/dialer.ts',
  },
  {
    name: 'a request made with fetch',
    text: "export const planted = () => fetch('http://192.0.2.1/');",
    says: 'Permit',
    bannedIn: 'src/providers/planted.ts',
    allowedIn: 'test/planted.ts',
  },
];

/** The repository's own configuration, without the rules that want a file inside a TypeScript project. */
const eslint = new ESLint({ cwd: ROOT, overrideConfig: [tseslint.configs.disableTypeChecked] });

/** Messages of the design bans for `text`, as if it stood in `file`. */
async function banMessages(text: string, file: string): Promise<readonly string[]> {
  const [result] = await eslint.lintText(`${text}\n`, { filePath: file });
  const fatal = result?.messages.filter((message) => message.fatal === true) ?? [];
  expect(fatal).toEqual([]);
  return (result?.messages ?? [])
    .filter(({ ruleId }) => ruleId === 'no-restricted-syntax' || ruleId === 'no-restricted-globals')
    .map(({ message }) => message);
}

describe('H3 lint as design', () => {
  beforeAll(async () => {
    await banMessages('export const planted = 1;', 'src/policy/planted.ts');
  });

  it.each(BANS)('refuses $name', async ({ text, says, bannedIn }) => {
    expect(await banMessages(text, bannedIn)).toContainEqual(expect.stringContaining(says));
  });

  it.each(BANS.filter(({ allowedIn }) => allowedIn !== null))('allows $name in $allowedIn', async (ban) => {
    expect(await banMessages(ban.text, ban.allowedIn ?? '')).toEqual([]);
  });

  it('allows `as const`', async () => {
    expect(await banMessages("export const planted = ['a'] as const;", 'src/policy/planted.ts')).toEqual([]);
  });

  it.each(['src/policy/decide.ts', 'src/cli/main.ts', 'test/repo/lint.test.ts', 'scripts/build.ts'])(
    'checks %s with types',
    async (file) => {
      const config: unknown = await new ESLint({ cwd: ROOT }).calculateConfigForFile(file);
      const level = expect.arrayContaining([2]);
      expect(config).toMatchObject({
        rules: {
          '@typescript-eslint/no-floating-promises': level,
          '@typescript-eslint/no-explicit-any': level,
          '@typescript-eslint/switch-exhaustiveness-check': level,
        },
      });
    },
  );
});
