import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * "Lint as design": each ban points to the place where the thing is done. `test/repo/lint.test.ts` shows that each can
 * fail. Folders that may do a banned thing leave that one ban out, and keep the others.
 */
const BANS = {
  expose: {
    selector: "MemberExpression[property.name='expose']",
    message: 'A secret is revealed in src/platform/reveal.ts only: call reveal(secret, purpose).',
  },
  bareError: {
    selector: "NewExpression[callee.name='Error'], CallExpression[callee.name='Error']",
    message:
      'Use BottleError for what a person can change, BugError for a broken assumption, a verdict for a decision.',
  },
  emptyCatch: {
    selector: 'CatchClause[body.body.length=0]',
    message: 'A caught failure is handled, translated or recorded: name what happens then.',
  },
  emptyCatchCallback: {
    selector:
      "CallExpression[callee.property.name='catch'] > ArrowFunctionExpression[body.type='BlockStatement'][body.body.length=0]",
    message: 'A caught failure is handled, translated or recorded: name what happens then.',
  },
  cast: {
    selector: "TSAsExpression[typeAnnotation.typeName.name!='const'], TSTypeAssertion",
    message:
      'Parse with a zod schema or narrow with a type guard. A brand is minted in the one file that eslint.config.js names.',
  },
  jsonParse: {
    selector: "MemberExpression[object.name='JSON'][property.name='parse']",
    message: 'JSON is read together with its schema: decodeJson(schema, text) in src/schema/json.ts.',
  },
  hostMatching: {
    selector: [
      'CallExpression[callee.property.name=/^(startsWith|endsWith|includes|indexOf|match|search)$/][callee.object.name=/(^h|H)ost(name)?$/]',
      'CallExpression[callee.property.name=/^(startsWith|endsWith|includes|indexOf|match|search)$/][callee.object.property.name=/(^h|H)ost(name)?$/]',
    ].join(', '),
    message: 'Hosts are normalised and matched in src/policy/host.ts only.',
  },
  dial: {
    selector:
      'ImportDeclaration[source.value=/^(node:)?(net|tls)$/] > ImportSpecifier[imported.name=/^(connect|createConnection)$/], ' +
      'ImportDeclaration[source.value=/^(node:)?(http|https|http2)$/] > ImportSpecifier[imported.name=/^(request|get|connect|Agent)$/], ' +
      'MemberExpression[object.name=/^(net|tls|http|https|http2)$/][property.name=/^(connect|createConnection|request|get)$/], ' +
      "CallExpression[callee.name='fetch']",
    message: 'Connections out are made in src/platform/dialer.ts, which takes a Permit and nothing else.',
  },
  env: {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'The environment is read in src/cli and passed down as values.',
  },
  exit: {
    selector: "MemberExpression[object.name='process'][property.name=/^(exit|exitCode|abort)$/]",
    message: 'Only src/cli ends the process: throw a BottleError, or return.',
  },
  randomness: {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Randomness is given: take a Random (src/ports/random.ts).',
  },
};

/** All bans but the named ones, as the value of `no-restricted-syntax`. */
function bansWithout(...names) {
  return ['error', ...Object.entries(BANS).flatMap(([name, ban]) => (names.includes(name) ? [] : [ban]))];
}

const CONSOLE_BAN = ['error', { name: 'console', message: 'Only src/cli speaks to people: return a value or throw.' }];
const CLOCK_BANS = ['Date', 'performance', 'setTimeout', 'setInterval', 'process', 'Buffer'].map((name) => ({
  name,
  message: 'Pure folders take time, randomness and bytes as values: a port in src/ports, passed in.',
}));

/** Entry files of processes that we start: they own their process, and nothing else does. */
const ENTRIES = [
  'src/egress/main.ts',
  'src/platform/service-process.ts',
  'src/gitgate/main.ts',
  'src/bundle/init.ts',
  'src/backends/bubblewrap/netns-helper.ts',
  'src/backends/probe/main.ts',
  'src/platform/pty-helper.ts',
];

export default defineConfig(
  {
    ignores: ['dist/', 'node_modules/', '.cache/', 'coverage/', 'src/kernel/ambient.d.ts', '**/*.js', '**/*.mjs'],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreVoidOperator: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // `void name` says that a parameter is there for its type alone.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // A method that implements an asynchronous contract need not wait for anything itself.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': bansWithout(),
      'no-restricted-globals': CONSOLE_BAN,
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['src/{kernel,schema,policy,dlp,protocol,ports}/**/*.ts'],
    rules: { 'no-restricted-globals': [...CONSOLE_BAN, ...CLOCK_BANS] },
  },
  {
    files: ['src/{cli,console}/**/*.ts'],
    rules: { 'no-restricted-syntax': bansWithout('env', 'exit'), 'no-restricted-globals': 'off' },
  },
  { files: ['src/platform/random.ts'], rules: { 'no-restricted-syntax': bansWithout('randomness') } },
  {
    files: ['src/platform/reveal.ts', 'src/kernel/secret.ts'],
    rules: { 'no-restricted-syntax': bansWithout('expose') },
  },
  { files: ['src/schema/json.ts'], rules: { 'no-restricted-syntax': bansWithout('jsonParse') } },
  { files: ENTRIES, rules: { 'no-restricted-syntax': bansWithout('env', 'exit') } },
  // The two brands: a normalised host, and the permit that only the decision mints.
  { files: ['src/policy/permit.ts'], rules: { 'no-restricted-syntax': bansWithout('cast') } },
  { files: ['src/policy/host.ts'], rules: { 'no-restricted-syntax': bansWithout('cast', 'hostMatching') } },
  // The dialer, what speaks on its connections, the git gate's own requests, the clients of our own control socket and of
  // the container engine's unix socket, and the probe, whose work is to try what must fail.
  {
    files: [
      'src/platform/dialer.ts',
      'src/platform/http2-client.ts',
      'src/platform/git-https.ts',
      'src/platform/control-client.ts',
      'src/platform/docker/engine.ts',
      'src/backends/probe/*.ts',
    ],
    rules: { 'no-restricted-syntax': bansWithout('dial') },
  },
  {
    files: ['src/backends/probe/main.ts', 'src/platform/pty-helper.ts'],
    rules: { 'no-restricted-syntax': bansWithout('dial', 'env', 'exit') },
  },
  {
    // Tests, scripts, examples and benchmarks own their process; a cast or a `!` that is wrong fails there, loudly.
    files: ['test/**/*.ts', 'scripts/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', '*.ts'],
    rules: {
      'no-restricted-syntax': ['error', BANS.emptyCatch],
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `expect.any(String)` and its like are typed `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
);
