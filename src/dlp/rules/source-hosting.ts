import type { Rule } from '../rule.ts';
import { near, prefixed, vendor } from './shapes.ts';

const GITHUB =
  'https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github';

/** Where code lives. */
export const SOURCE_HOSTING_RULES: readonly Rule[] = [
  ...vendor('GitHub', GITHUB, [
    prefixed('github-pat', 'ghp_', '[A-Za-z0-9]{36}', '{A36}', 'critical'),
    prefixed('github-fine-grained-pat', 'github_pat_', '[A-Za-z0-9]{22}_[A-Za-z0-9]{59}', '{A22}_{A59}', 'critical'),
    prefixed('github-oauth-token', 'gho_', '[A-Za-z0-9]{36}', '{A36}', 'critical'),
    prefixed('github-user-token', 'ghu_', '[A-Za-z0-9]{36}', '{A36}', 'critical'),
    prefixed('github-server-token', 'ghs_', '[A-Za-z0-9]{36,255}', '{A36}', 'critical'),
    prefixed('github-refresh-token', 'ghr_', '[A-Za-z0-9]{36,76}', '{A36}', 'critical'),
  ]),
  ...vendor('GitLab', 'https://docs.gitlab.com/security/tokens/#token-prefixes', [
    prefixed('gitlab-pat', 'glpat-', '[\\w-]{20,64}(?:\\.[0-9a-z]{2}\\.?[0-9a-z]{7,9})?', '{w20}', 'critical'),
    prefixed('gitlab-oauth-secret', 'gloas-', '[\\w-]{64}', '{w64}', 'critical'),
    prefixed('gitlab-deploy-token', 'gldt-', '[\\w-]{20,64}', '{w20}', 'critical'),
    prefixed('gitlab-runner-token', 'glrt-', '[\\w-]{20,64}', '{w20}', 'high'),
    prefixed('gitlab-runner-registration-token', 'GR1348941', '[\\w-]{20}', '{w20}', 'high'),
    prefixed('gitlab-ci-job-token', 'glcbt-', '[0-9a-zA-Z]{1,5}_[\\w-]{20,64}', '{A2}_{w20}', 'high'),
    prefixed('gitlab-trigger-token', 'glptt-', '[0-9a-f]{40}', '{x40}', 'high'),
    prefixed('gitlab-feed-token', 'glft-', '[\\w-]{20,64}', '{w20}', 'medium'),
    prefixed('gitlab-incoming-mail-token', 'glimt-', '[\\w-]{25,64}', '{w25}', 'medium'),
    prefixed('gitlab-kubernetes-agent-token', 'glagent-', '[\\w-]{50,100}', '{w50}', 'critical'),
    prefixed('gitlab-scim-token', 'glsoat-', '[\\w-]{20,64}', '{w20}', 'high'),
    prefixed('gitlab-feature-flag-token', 'glffct-', '[\\w-]{20,64}', '{w20}', 'medium'),
  ]),
  ...vendor(
    'Atlassian',
    'https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/',
    [
      prefixed('atlassian-api-token', 'ATATT3', '[\\w=-]{180,200}', '{w180}', 'critical'),
      prefixed('bitbucket-app-password', 'ATBB', '[A-Za-z0-9]{32}', '{A32}', 'critical', { edge: true, entropy: 3.5 }),
      prefixed('bitbucket-repository-token', 'ATCTT3xFfGN0', '[\\w+/=-]{100,220}', '{w100}', 'critical'),
      near('atlassian-legacy-token', ['atlassian', 'confluence', 'jira'], '[A-Za-z0-9]{24}', '{A24}', 'high', {
        checksum: 'mixed',
        entropy: 3.2,
      }),
      near('bitbucket-client-secret', ['bitbucket'], '[A-Za-z0-9]{32}', '{A32}', 'high', {
        checksum: 'mixed',
        entropy: 3.2,
      }),
    ],
  ),
  ...vendor('Gitea and Forgejo', 'https://docs.gitea.com/development/api-usage', [
    near('gitea-token', ['gitea', 'forgejo', 'codeberg', 'gogs'], '[0-9a-f]{40}', '{x40}', 'critical'),
  ]),
  ...vendor('Sourcegraph', 'https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token', [
    prefixed('sourcegraph-token', 'sgp_', '(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}', '{x16}_{x40}', 'critical'),
  ]),
  ...vendor('Phabricator', 'https://we.phorge.it/book/phorge/article/conduit/', [
    {
      id: 'phabricator-token',
      keywords: ['api-', 'cli-'],
      pattern: '\\b(?:api|cli)-[a-z0-9]{28}\\b',
      entropy: 3.2,
      checksum: 'mixed',
      severity: 'high',
      examples: {
        match: ['conduit.token=api-{a28}', '"token": "cli-{a28}"'],
        miss: ['api-{a27}', 'xapi-{a28}', 'api_{a28}'],
      },
    },
  ]),
  ...vendor('Sourcehut', 'https://man.sr.ht/meta.sr.ht/oauth.md', [
    near('sourcehut-token', ['sourcehut', 'srht', 'sr.ht'], '[A-Za-z0-9+/]{60,120}', '{b60}', 'high', { entropy: 4 }),
  ]),
  ...vendor('Any git server', 'https://git-scm.com/docs/gitcredentials', [
    {
      id: 'git-url-password',
      keywords: ['https://', 'http://'],
      pattern: '(?i:https?)://[\\w.%+~-]{0,64}:([\\w.%+~!$*-]{6,256})@[\\w.-]{3,255}',
      secretGroup: 1,
      entropy: 2.5,
      allow: ['^(?i:pass(?:word|wd)?|secret|token|user(?:name)?|x-oauth-basic|changeme|[$%].*|\\*+|<.*)$'],
      severity: 'high',
      examples: {
        match: ['git clone https://me:{A20}@git.acme.example/r.git', 'http://:{w20}@proxy.acme.example:3128'],
        miss: [
          'https://me@git.acme.example/{A20}',
          'https://user:password@acme.example',
          'https://acme.example:8443/{A9}@2',
        ],
      },
    },
  ]),
];
