import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** What builds, tests and deploys code. */
export const CI_RULES: readonly Rule[] = [
  ...vendor('CircleCI', 'https://circleci.com/docs/managing-api-tokens/', [
    prefixed('circleci-personal-token', 'CCIPAT_', '[A-Za-z0-9]{22}_[0-9a-f]{40}', '{A22}_{x40}', 'critical'),
    prefixed('circleci-project-token', 'CCIPRJ_', '[A-Za-z0-9]{22}_[0-9a-f]{40}', '{A22}_{x40}', 'critical'),
    near('circleci-legacy-token', ['circleci', 'circle_token'], '[0-9a-f]{40}', '{x40}', 'high'),
  ]),
  ...vendor('Travis CI', 'https://docs.travis-ci.com/user/triggering-builds/', [
    near('travis-token', ['travis'], '[A-Za-z0-9_-]{22}', '{A22}', 'high', { checksum: 'mixed', entropy: 3.2 }),
  ]),
  ...vendor('Drone', 'https://docs.drone.io/cli/configure/', [
    near('drone-token', ['drone_token', 'droneci', 'drone_server_token'], '[A-Za-z0-9]{32}', '{A32}', 'high', {
      checksum: 'mixed',
    }),
  ]),
  ...vendor('Buildkite', 'https://buildkite.com/docs/apis/managing-api-tokens', [
    prefixed('buildkite-api-token', 'bkua_', '[a-z0-9]{40}', '{a40}', 'critical'),
    prefixed('buildkite-cluster-token', 'bkct_', '[A-Za-z0-9]{32,96}', '{A32}', 'high'),
  ]),
  ...vendor('Jenkins', 'https://www.jenkins.io/doc/book/system-administration/authenticating-scripted-clients/', [
    near('jenkins-api-token', ['jenkins'], '11[0-9a-f]{32}', '11{x32}', 'critical'),
  ]),
  ...vendor('JetBrains TeamCity', 'https://www.jetbrains.com/help/teamcity/configuring-your-user-profile.html', [
    prefixed('teamcity-token', 'eyJ0eXAiOiAiVENWMiJ9.', '[\\w-]{20,60}\\.[\\w-]{30,100}', '{w36}.{w30}', 'critical'),
    prefixed(
      'jetbrains-permanent-token',
      'perm:',
      '[\\w=-]{4,100}\\.[\\w=-]{4,100}\\.[\\w=-]{20,100}',
      '{w16}.{w12}.{w20}',
      'high',
      {
        edge: true,
      },
    ),
    prefixed(
      'jetbrains-permanent-token-dashed',
      'perm-',
      '[A-Za-z0-9=]{4,100}\\.[A-Za-z0-9=]{4,100}\\.[A-Za-z0-9]{20,100}',
      '{A16}.{A12}.{A20}',
      'high',
      {
        edge: true,
      },
    ),
  ]),
  ...vendor('Codecov', 'https://docs.codecov.com/docs/codecov-tokens', [
    near('codecov-token', ['codecov'], UUID, '{u}', 'medium'),
  ]),
  ...vendor('SonarQube', 'https://docs.sonarsource.com/sonarqube-server/user-guide/managing-tokens/', [
    {
      id: 'sonarqube-token',
      keywords: ['squ_', 'sqp_', 'sqa_', 'sqb_'],
      pattern: 'sq[upab]_[0-9a-f]{40}',
      entropy: 3,
      severity: 'high',
      examples: { match: ['SONAR_TOKEN=squ_{x40}', '"sqp_{x40}"'], miss: ['squ_{x39}"', 'sqx_{x40}'] },
    },
    near('sonarcloud-token', ['sonarcloud', 'sonar_token', 'sonar.login'], '[0-9a-f]{40}', '{x40}', 'high'),
  ]),
  ...vendor('Snyk', 'https://docs.snyk.io/snyk-api/authentication-for-api', [
    near('snyk-api-token', ['snyk'], UUID, '{u}', 'high'),
    prefixed('snyk-service-token', 'snyk_sat.', '[\\w-]{8,16}\\.[\\w-]{60,200}', '{A8}.{w60}', 'high'),
  ]),
  ...vendor('Harness', 'https://developer.harness.io/docs/platform/automation/api/add-and-manage-api-keys/', [
    prefixed('harness-pat', 'pat.', '[\\w-]{22}\\.[0-9a-f]{24}\\.[A-Za-z0-9]{20}', '{w22}.{x24}.{A20}', 'critical', {
      edge: true,
    }),
    prefixed('harness-sat', 'sat.', '[\\w-]{22}\\.[0-9a-f]{24}\\.[A-Za-z0-9]{20}', '{w22}.{x24}.{A20}', 'critical', {
      edge: true,
    }),
  ]),
  ...vendor('Octopus Deploy', 'https://octopus.com/docs/octopus-rest-api/how-to-create-an-api-key', [
    prefixed('octopus-deploy-key', 'API-', '[A-Z0-9]{25,32}\\b', '{U25}', 'high', {
      edge: true,
      checksum: 'mixed',
      entropy: 3.2,
    }),
  ]),
  ...vendor('Prefect', 'https://docs.prefect.io/v3/how-to-guides/cloud/manage-users/api-keys', [
    prefixed('prefect-api-key', 'pnu_', '[A-Za-z0-9]{36}', '{A36}', 'high'),
    prefixed('prefect-service-key', 'pnb_', '[A-Za-z0-9]{36}', '{A36}', 'high'),
  ]),
  ...vendor('AppVeyor', 'https://www.appveyor.com/docs/api/', [
    near('appveyor-token', ['appveyor'], '(?:v2\\.)?[a-z0-9]{20}', 'v2.{a20}', 'high', { checksum: 'mixed' }),
  ]),
  ...vendor('LaunchDarkly', 'https://launchdarkly.com/docs/home/account/api', [
    prefixed('launchdarkly-api-token', 'api-', UUID, '{u}', 'high', { edge: true }),
    prefixed('launchdarkly-sdk-key', 'sdk-', UUID, '{u}', 'high', { edge: true }),
  ]),
  ...vendor('Depot', 'https://depot.dev/docs/cli/authentication', [
    prefixed('depot-token', 'depot_', '(?:user|org|project)_[0-9a-f]{64}', 'user_{x64}', 'high'),
  ]),
  ...vendor('BrowserStack', 'https://www.browserstack.com/docs/automate/api-reference/selenium/introduction', [
    near('browserstack-access-key', ['browserstack'], '[A-Za-z0-9]{20}', '{A20}', 'medium', {
      checksum: 'mixed',
      entropy: 3.2,
    }),
  ]),
  ...vendor('Sauce Labs', 'https://docs.saucelabs.com/dev/api/', [
    near('saucelabs-access-key', ['saucelabs', 'sauce_access'], UUID, '{u}', 'medium'),
  ]),
  ...vendor('HashiCorp', 'https://developer.hashicorp.com/vault/docs/concepts/tokens', [
    prefixed('vault-service-token', 'hvs.', '[\\w-]{24,130}', '{w24}', 'critical', { edge: true }),
    prefixed('vault-batch-token', 'hvb.', '[\\w-]{100,300}', '{w100}', 'critical', { edge: true }),
    near('vault-legacy-token', ['vault'], 's\\.[A-Za-z0-9]{24}', 's.{A24}', 'critical'),
    {
      id: 'terraform-cloud-token',
      keywords: ['.atlasv1.'],
      pattern: '[A-Za-z0-9]{14}\\.atlasv1\\.[\\w=-]{60,70}',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['token = "{A14}.atlasv1.{w67}"', 'TF_TOKEN_app_terraform_io={A14}.atlasv1.{w60}'],
        miss: ['{A13}-.atlasv1.{w67}', '{A14}.atlasv1.{w59}'],
      },
    },
  ]),
  ...vendor('Pulumi', 'https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/', [
    prefixed('pulumi-token', 'pul-', '[0-9a-f]{40}', '{x40}', 'critical'),
  ]),
  ...vendor('Doppler', 'https://docs.doppler.com/reference/auth-token-formats', [
    {
      id: 'doppler-token',
      keywords: ['dp.pt.', 'dp.ct.', 'dp.st.', 'dp.sa.', 'dp.scim.', 'dp.audit.', 'dp.said.'],
      pattern: '\\bdp\\.(?:pt|ct|sa|scim|audit|said|st(?:\\.[a-z0-9_-]{2,35})?)\\.[A-Za-z0-9]{40,44}',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['DOPPLER_TOKEN=dp.pt.{A43}', '"dp.st.dev_api.{A43}"', 'dp.scim.{A40}'],
        miss: ['dp.pt.{A39}"', 'dp.xx.{A43}'],
      },
    },
  ]),
  ...vendor('1Password', 'https://developer.1password.com/docs/service-accounts/security/', [
    prefixed('1password-service-account-token', 'ops_eyJ', '[A-Za-z0-9+/]{200,1000}={0,3}', '{b200}', 'critical'),
    {
      id: '1password-secret-key',
      keywords: ['A3-'],
      pattern: '\\bA3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}\\b',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['OP_SECRET_KEY=A3-{U6}-{U11}-{U5}-{U5}-{U5}', '"A3-{U6}-{U6}-{U5}-{U5}-{U5}-{U5}"'],
        miss: ['A3-{U6}-{U11}-{U5}-{U5}-{U4}', 'B3-{U6}-{U11}-{U5}-{U5}-{U5}'],
      },
    },
  ]),
  ...vendor('Bitwarden', 'https://bitwarden.com/help/access-tokens/', [
    {
      id: 'bitwarden-access-token',
      keywords: ['0.'],
      pattern: `\\b0\\.${UUID}\\.[A-Za-z0-9]{30}:[A-Za-z0-9+/]{20,24}={0,2}`,
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['BWS_ACCESS_TOKEN=0.{u}.{A30}:{b22}==', '"0.{u}.{A30}:{b22}=="'],
        miss: ['0.{u}.{A29}:{b22}==', '1.{u}.{A30}:{b22}=='],
      },
    },
  ]),
  ...vendor('Infracost', 'https://www.infracost.io/docs/features/environment_variables/', [
    prefixed('infracost-api-token', 'ico-', '[A-Za-z0-9]{32}', '{A32}', 'medium'),
  ]),
];
