/**
 * The layers of ARCHITECTURE.md. A module may import from the folders named before its own, and from its own.
 * `test/repo/layers.test.ts` shows that each rule can fail.
 */
const LAYERS = [
  'kernel',
  'schema',
  'policy',
  'dlp',
  'protocol',
  'ports',
  'platform',
  'manifest',
  'providers',
  'backends',
  'egress',
  'gitgate',
  'supervise',
  'bundle',
  'state',
  'launch',
  'console',
  'cli',
];
const PURE = '^src/(kernel|schema|policy|dlp|protocol|ports)/';
/** Packages without sockets, files, clocks or randomness of their own. */
const PURE_PACKAGES = 'node_modules/(zod|ipaddr[.]js|@noble/hashes|@scure/bip39/wordlists)/';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...LAYERS.map((layer, index) => ({
      name: `layer-${layer}`,
      comment: `src/${layer} may import only ${LAYERS.slice(0, index + 1).join(', ')}: move the line down, or pass the value in.`,
      severity: 'error',
      from: { path: `^src/${layer}/` },
      to: { path: '^src/', pathNot: `^src/(${LAYERS.slice(0, index + 1).join('|')})/` },
    })),
    {
      name: 'known-layers',
      comment: 'a folder of src/ that the layer list does not name: give it its place in .dependency-cruiser.mjs.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${LAYERS.join('|')})/` },
      to: {},
    },
    {
      name: 'backends-are-strangers',
      comment:
        'backends know nothing of each other; what they share is src/backends/common, src/backends/probe or lies in a lower layer.',
      severity: 'error',
      from: { path: '^src/backends/([^/]+)/' },
      to: { path: '^src/backends/[^/]+/', pathNot: '^src/backends/($1|probe|common)/' },
    },
    {
      name: 'pure-no-node',
      comment: 'pure folders take time, randomness, files and sockets as values: declare a port and pass it in.',
      severity: 'error',
      from: { path: PURE },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'pure-no-packages',
      comment: 'pure folders use only packages that are pure themselves.',
      severity: 'error',
      from: { path: PURE },
      to: { path: 'node_modules/', pathNot: PURE_PACKAGES },
    },
    {
      name: 'product-knows-no-tests',
      comment: 'src/ is the product: it imports nothing of the tests, the scripts, the examples or the benchmarks.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|bench|examples)/' },
    },
    {
      name: 'no-cycles',
      comment: 'a cycle has no order in which it can be understood: move what both need to a file of its own.',
      severity: 'error',
      from: {},
      // Types alone make no cycle at run time.
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      comment: 'the import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
