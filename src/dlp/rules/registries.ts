import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** Where packages, images and content are published. */
export const REGISTRY_RULES: readonly Rule[] = [
  ...vendor('npm', 'https://docs.npmjs.com/about-access-tokens', [
    prefixed('npm-access-token', 'npm_', '[A-Za-z0-9]{36}', '{A36}', 'critical'),
    {
      id: 'npmrc-auth-token',
      keywords: [':_authToken', ':_auth', ':_password'],
      pattern: ':_(?:authToken|auth|password)\\s{0,3}=\\s{0,3}"?([\\w+/.~=-]{16,512})',
      secretGroup: 1,
      entropy: 2.8,
      severity: 'critical',
      examples: {
        match: ['//registry.acme.example/:_authToken={u}', '//npm.acme.example/:_password="{b24}"'],
        miss: ['//registry.acme.example/:_authToken=${NPM_TOKEN}', '//registry.acme.example/:_authToken={A15}'],
      },
    },
  ]),
  ...vendor('PyPI', 'https://pypi.org/help/#apitoken', [
    prefixed('pypi-upload-token', 'pypi-AgEIcHlwaS5vcmc', '[\\w-]{50,300}', '{w50}', 'critical'),
    prefixed('testpypi-upload-token', 'pypi-AgENdGVzdC5weXBpLm9yZw', '[\\w-]{50,300}', '{w50}', 'high'),
  ]),
  ...vendor('RubyGems', 'https://guides.rubygems.org/api-key-scopes/', [
    prefixed('rubygems-api-key', 'rubygems_', '[0-9a-f]{48}', '{x48}', 'critical'),
  ]),
  ...vendor('crates.io', 'https://doc.rust-lang.org/cargo/reference/publishing.html', [
    prefixed('crates-io-token', 'cio', '[A-Za-z0-9]{32}\\b', '{A32}', 'critical', { edge: true, entropy: 3.6 }),
  ]),
  ...vendor('NuGet', 'https://learn.microsoft.com/nuget/nuget-org/publish-a-package', [
    prefixed('nuget-api-key', 'oy2', '[a-z0-9]{43}\\b', '{a43}', 'critical', { edge: true, entropy: 3.6 }),
  ]),
  ...vendor('Docker', 'https://docs.docker.com/security/access-tokens/', [
    prefixed('docker-pat', 'dckr_pat_', '[\\w-]{27}', '{w27}', 'critical'),
    prefixed('docker-organization-token', 'dckr_oat_', '[\\w-]{32}', '{w32}', 'critical'),
    {
      id: 'docker-config-auth',
      keywords: ['"auth"'],
      pattern: '"auth"\\s{0,3}:\\s{0,8}"([A-Za-z0-9+/]{16,400}={0,2})"',
      secretGroup: 1,
      entropy: 3.2,
      checksum: 'mixed',
      severity: 'high',
      examples: {
        match: ['{"auths": {"registry.acme.example": {"auth": "{b40}"}}}', '"auth":"{b30}=="'],
        miss: ['"auth": "{b15}"', '"auth": "oauth2-proxy_{A9}"', '"author": "{b40}"'],
      },
    },
  ]),
  ...vendor('JFrog', 'https://jfrog.com/help/r/jfrog-platform-administration-documentation/access-tokens', [
    prefixed('artifactory-api-key', 'AKC', '[A-Za-z0-9]{69,73}\\b', '{A69}', 'critical', { edge: true, entropy: 4 }),
    prefixed('artifactory-reference-token', 'cmVmdGtu', '[A-Za-z0-9]{56}', '{A56}', 'critical', {
      edge: true,
      entropy: 4,
    }),
    near(
      'artifactory-password',
      ['artifactory_password', 'jfrog_token', 'artifactory_token'],
      'AP[0-9A-F][A-Za-z0-9]{8,40}',
      'AP{X1}{A8}',
      'high',
    ),
  ]),
  ...vendor('Clojars', 'https://github.com/clojars/clojars-web/wiki/Deploy-Tokens', [
    prefixed('clojars-token', 'CLOJARS_', '[a-z0-9]{60}', '{a60}', 'critical'),
  ]),
  ...vendor('Packagist', 'https://packagist.com/docs/api', [
    prefixed('packagist-token', 'packagist_', '(?:u|o)(?:u|r)t_[0-9a-f]{60,72}', 'uut_{x60}', 'high'),
  ]),
  ...vendor('Hex', 'https://hex.pm/docs/publish', [
    near('hex-api-key', ['hex_api', 'hexpm'], '[0-9a-f]{32}', '{x32}', 'critical'),
  ]),
  ...vendor('Cloudsmith', 'https://help.cloudsmith.io/docs/api-key', [
    near('cloudsmith-api-key', ['cloudsmith'], '[0-9a-f]{40}', '{x40}', 'high'),
  ]),
  ...vendor('Packagecloud', 'https://packagecloud.io/docs/api', [
    near('packagecloud-token', ['packagecloud'], '[0-9a-f]{48}', '{x48}', 'high'),
  ]),
  ...vendor(
    'Visual Studio Marketplace',
    'https://code.visualstudio.com/api/working-with-extensions/publishing-extension',
    [
      near('vsce-pat', ['vsce_pat', 'ovsx_pat'], '[A-Za-z0-9_-]{36,84}', '{A36}', 'critical', { entropy: 3.5 }),
      prefixed('open-vsx-token', 'ovsxat_', UUID, '{u}', 'critical'),
    ],
  ),
  ...vendor('Expo', 'https://docs.expo.dev/accounts/programmatic-access/', [
    near('expo-access-token', ['expo_token', 'eas_token'], '[\\w-]{40}', '{w40}', 'high', { entropy: 3.8 }),
  ]),
  ...vendor('JSR', 'https://jsr.io/docs/api', [
    {
      id: 'jsr-token',
      keywords: ['jsrd_', 'jsrp_'],
      pattern: 'jsr[dp]_[A-Za-z0-9]{20,80}',
      entropy: 3,
      severity: 'high',
      examples: { match: ['JSR_TOKEN=jsrp_{A24}', '"jsrd_{A40}"'], miss: ['jsrp_{A19}"', 'jsrx_{A40}'] },
    },
  ]),
  ...vendor('Contentful', 'https://www.contentful.com/developers/docs/references/authentication/', [
    prefixed('contentful-pat', 'CFPAT-', '[\\w-]{43}', '{w43}', 'critical'),
    near('contentful-delivery-token', ['contentful'], '[\\w-]{43}', '{w43}', 'medium', { entropy: 3.8 }),
  ]),
  ...vendor('Sanity', 'https://www.sanity.io/docs/content-lake/http-auth', [
    near('sanity-token', ['sanity'], 'sk[A-Za-z0-9]{78,200}', 'sk{A78}', 'critical', { entropy: 4 }),
  ]),
  ...vendor('Scalingo', 'https://developers.scalingo.com/', [
    prefixed('scalingo-token', 'tk-us-', '[\\w-]{48}', '{w48}', 'critical'),
  ]),
  ...vendor('Docker Hub alternatives', 'https://docs.quay.io/glossary/robot-accounts.html', [
    near('quay-robot-token', ['quay'], '[A-Z0-9]{64}', '{U64}', 'high', { checksum: 'mixed' }),
  ]),
  ...vendor('Snapcraft', 'https://documentation.ubuntu.com/snapcraft/stable/', [
    near('snapcraft-credentials', ['snapcraft_store_credentials'], '[A-Za-z0-9+/]{100,1000}={0,2}', '{b100}', 'high', {
      entropy: 4,
    }),
  ]),
  ...vendor('Sonatype', 'https://central.sonatype.org/publish/generate-portal-token/', [
    near('sonatype-token', ['sonatype', 'ossrh', 'mavencentral'], '[A-Za-z0-9+/]{43,44}', '{b43}', 'high', {
      entropy: 3.8,
    }),
  ]),
  ...vendor('Heroku', 'https://devcenter.heroku.com/articles/platform-api-quickstart', [
    prefixed('heroku-api-key', 'HRKU-AA', '[\\w-]{58}', '{w58}', 'critical'),
    near('heroku-legacy-key', ['heroku'], UUID, '{u}', 'critical'),
  ]),
];
