import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

const AWS = 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html';

/** Clouds and hosts: what rents out machines, storage and functions. */
export const CLOUD_RULES: readonly Rule[] = [
  ...vendor('Amazon Web Services', AWS, [
    {
      id: 'aws-access-key-id',
      keywords: ['AKIA', 'ASIA', 'ABIA', 'ACCA', 'A3T'],
      pattern: '\\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\\b',
      entropy: 2.8,
      allow: ['EXAMPLE', 'TEST', 'FAKE'],
      // Signed URLs name the key that signed them.
      kind: 'session',
      severity: 'high',
      examples: {
        match: ['aws_access_key_id = AKIA{B16}', '{"AccessKeyId":"ASIA{B16}"}', 'A3TX{B16}'],
        miss: ['AKIA{B15}', 'AKIA{B17}', 'AKIB{B16}', 'AKIAIOSFODNN7EXAMPLE'],
      },
    },
    near(
      'aws-secret-access-key',
      ['aws_secret_access_key', 'aws_secret_key', 'secretaccesskey', 'secret_access_key', 'secret-access-key'],
      '[A-Za-z0-9/+]{40}',
      '{b40}',
      'critical',
      { entropy: 3.5, checksum: 'mixed' },
    ),
    near(
      'aws-session-token',
      ['aws_session_token', 'sessiontoken', 'x-amz-security-token'],
      '[A-Za-z0-9/+]{100,1000}',
      '{b100}',
      'high',
      { kind: 'session', entropy: 4 },
    ),
    prefixed('aws-mws-auth-token', 'amzn.mws.', UUID, '{u}', 'high'),
    prefixed('aws-bedrock-key', 'ABSK', '[A-Za-z0-9+/]{109,269}', '{b109}', 'critical', { edge: true, entropy: 4 }),
    prefixed(
      'aws-bedrock-short-term-key',
      'bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t',
      '[A-Za-z0-9+/=]{20,800}',
      '{b20}',
      'high',
    ),
  ]),
  ...vendor('Google Cloud', 'https://cloud.google.com/docs/authentication', [
    prefixed('gcp-api-key', 'AIza', '[\\w-]{35}', '{w35}', 'high', { entropy: 3.5 }),
    prefixed('gcp-oauth-client-secret', 'GOCSPX-', '[\\w-]{28}', '{w28}', 'high'),
    prefixed('gcp-oauth-access-token', 'ya29.', '[\\w-]{24,512}', '{w24}', 'high', { edge: true }),
    prefixed('gcp-oauth-refresh-token', '1//0', '[\\w-]{40,128}', '{w40}', 'critical', { edge: true, entropy: 4 }),
    near('gcp-service-account-key-id', ['private_key_id'], '[0-9a-f]{40}', '{x40}', 'medium'),
  ]),
  ...vendor('Microsoft Azure', 'https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates', [
    {
      id: 'azure-ad-client-secret',
      keywords: ['Q~'],
      pattern: '[\\w~.]{3}[0-9]Q~[\\w~.-]{31,34}',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['AZURE_CLIENT_SECRET={A3}8Q~{A34}', '"clientSecret": "{A3}7Q~{A31}"'],
        miss: ['{A3}8Q~{A30}', '{A3}xQ~{A34}'],
      },
    },
    {
      id: 'azure-storage-account-key',
      keywords: ['AccountKey='],
      pattern: '(?i:AccountKey)=([A-Za-z0-9+/]{86}==)',
      secretGroup: 1,
      entropy: 4,
      severity: 'critical',
      examples: {
        match: ['DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={b86}==', 'accountkey={b86}==;'],
        miss: ['AccountKey={b86}', 'AccountKey={b85}=='],
      },
    },
    {
      id: 'azure-shared-access-key',
      keywords: ['SharedAccessKey='],
      pattern: '(?i:SharedAccessKey)=([A-Za-z0-9+/]{43}=)',
      secretGroup: 1,
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: [
          'Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={b43}=',
          'HostName=acme.azure-devices.net;DeviceId=d1;SharedAccessKey={b43}=',
        ],
        miss: ['SharedAccessKeyName={b43}', 'SharedAccessKey={b42}='],
      },
    },
    {
      id: 'azure-sas-signature',
      keywords: ['sig='],
      pattern: '[?&]sig=([A-Za-z0-9+/%]{43,80}(?:=|%3[Dd]))',
      secretGroup: 1,
      entropy: 3.5,
      kind: 'session',
      severity: 'high',
      examples: {
        match: ['https://acme.blob.core.windows.net/c?sv=2022-11-02&se=2030-01-01&sig={A43}%3D', 'url?sig={b43}='],
        miss: ['?sig={A42}=', 'the sig={A43}%3D'],
      },
    },
    near('azure-devops-token', ['azure_devops', 'azuredevops', 'ado_pat', 'vsts'], '[a-z2-7]{52}', '{l52}', 'critical'),
    near('azure-subscription-key', ['ocp-apim-subscription-key', 'subscription-key'], '[0-9a-f]{32}', '{x32}', 'high'),
    near('azure-openai-key', ['azure_openai', 'azureopenai'], '[A-Za-z0-9]{32,84}', '{x32}', 'high', {
      checksum: 'mixed',
    }),
    {
      id: 'azure-function-key',
      keywords: ['AzFu'],
      pattern: '[\\w-]{44}AzFu[\\w-]{5}[AQgw]==',
      entropy: 3.5,
      severity: 'high',
      examples: {
        match: ['x-functions-key: {w44}AzFu{w5}Q==', '?code={w44}AzFu{w5}A=='],
        miss: ['{A43}.AzFu{w5}Q==', '{w44}AzFu{w5}Z=='],
      },
    },
    {
      id: 'azure-container-registry-key',
      keywords: ['+ACR'],
      pattern: '[A-Za-z0-9+/]{42}\\+ACR[A-D][A-Za-z0-9+/]{5}',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['docker login -p {b42}+ACRB{A5}', '"password": "{b42}+ACRA{A5}"'],
        miss: ['{A41}.+ACRB{A5}', '{b42}+ACRX{A5}'],
      },
    },
    {
      id: 'azure-search-key',
      keywords: ['AzSe'],
      pattern: '[A-Za-z0-9]{42}AzSe[A-D][A-Za-z0-9]{5}',
      entropy: 3.5,
      severity: 'high',
      examples: { match: ['api-key: {A42}AzSeB{A5}', '"{A42}AzSeD{A5}"'], miss: ['{A42}AzSeZ{A5}', '{A41}_AzSeA{A5}'] },
    },
  ]),
  ...vendor('DigitalOcean', 'https://docs.digitalocean.com/reference/api/create-personal-access-token/', [
    prefixed('digitalocean-pat', 'dop_v1_', '[a-f0-9]{64}', '{x64}', 'critical'),
    prefixed('digitalocean-access-token', 'doo_v1_', '[a-f0-9]{64}', '{x64}', 'critical'),
    prefixed('digitalocean-refresh-token', 'dor_v1_', '[a-f0-9]{64}', '{x64}', 'critical'),
    prefixed('digitalocean-spaces-key', 'DO00', '[A-Z0-9]{16}\\b', '{U16}', 'medium', { edge: true, entropy: 3 }),
  ]),
  ...vendor('Alibaba Cloud', 'https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair', [
    prefixed('alibaba-access-key-id', 'LTAI', '[A-Za-z0-9]{17,21}\\b', '{A17}', 'medium', {
      edge: true,
      entropy: 3.2,
    }),
    near(
      'alibaba-secret-key',
      ['alibaba', 'aliyun', 'alicloud', 'accesskeysecret'],
      '[A-Za-z0-9]{30}',
      '{A30}',
      'critical',
      {
        checksum: 'mixed',
      },
    ),
  ]),
  ...vendor('Tencent Cloud', 'https://www.tencentcloud.com/document/product/598/32675', [
    prefixed('tencent-secret-id', 'AKID', '[A-Za-z0-9]{32}\\b', '{A32}', 'medium', { edge: true, entropy: 3.5 }),
    near('tencent-secret-key', ['tencent', 'qcloud'], '[A-Za-z0-9]{32}', '{A32}', 'critical', { checksum: 'mixed' }),
  ]),
  ...vendor('Yandex Cloud', 'https://yandex.cloud/en/docs/iam/concepts/authorization/', [
    prefixed('yandex-api-key', 'AQVN', '[\\w-]{35,38}', '{w35}', 'high', { edge: true, entropy: 3.5 }),
    prefixed('yandex-static-key', 'YCAJE', '[\\w-]{20}', '{w20}', 'medium', { edge: true }),
    prefixed('yandex-iam-token', 't1.', '[\\w-]{20,400}={0,2}\\.[\\w-]{86}={0,2}', '{w30}.{w86}', 'high', {
      edge: true,
    }),
  ]),
  ...vendor('Hetzner', 'https://docs.hetzner.cloud/', [
    near('hetzner-cloud-token', ['hcloud', 'hetzner'], '[A-Za-z0-9]{64}', '{A64}', 'critical', { checksum: 'mixed' }),
  ]),
  ...vendor('Scaleway', 'https://www.scaleway.com/en/docs/iam/concepts/#api-key', [
    near('scaleway-secret-key', ['scw_secret', 'scaleway'], UUID, '{u}', 'critical'),
    prefixed('scaleway-access-key', 'SCW', '[A-Z0-9]{17}\\b', '{U17}', 'low', { edge: true, entropy: 3.2 }),
  ]),
  ...vendor('OVHcloud', 'https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api', [
    near('ovh-application-secret', ['ovh'], '[A-Za-z0-9]{32}', '{A32}', 'critical', {
      checksum: 'mixed',
      entropy: 3.2,
    }),
  ]),
  ...vendor('Akamai Linode', 'https://techdocs.akamai.com/linode-api/reference/get-started', [
    near('linode-token', ['linode'], '[0-9a-f]{64}', '{x64}', 'critical'),
  ]),
  ...vendor('Vultr', 'https://docs.vultr.com/', [
    near('vultr-api-key', ['vultr'], '[A-Z0-9]{36}', '{U36}', 'critical', { checksum: 'mixed' }),
  ]),
  ...vendor('IBM Cloud', 'https://cloud.ibm.com/docs/account?topic=account-userapikey', [
    near('ibm-cloud-api-key', ['ibmcloud', 'ibm_cloud', 'bluemix'], '[\\w-]{44}', '{w44}', 'critical', { entropy: 4 }),
  ]),
];
