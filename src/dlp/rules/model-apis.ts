import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** Models and what is built round them: inference, vectors, traces, search for agents. */
export const MODEL_API_RULES: readonly Rule[] = [
  ...vendor('Anthropic', 'https://docs.claude.com/en/api/overview', [
    prefixed('anthropic-api-key', 'sk-ant-api03-', '[\\w-]{80,120}', '{w80}', 'critical', { entropy: 3.5 }),
    prefixed('anthropic-admin-key', 'sk-ant-admin01-', '[\\w-]{80,120}', '{w80}', 'critical', { entropy: 3.5 }),
    prefixed('anthropic-oauth-token', 'sk-ant-oat01-', '[\\w-]{80,120}', '{w80}', 'critical', { entropy: 3.5 }),
    prefixed('anthropic-refresh-token', 'sk-ant-ort01-', '[\\w-]{80,120}', '{w80}', 'critical', { entropy: 3.5 }),
    prefixed('anthropic-session-key', 'sk-ant-sid01-', '[\\w-]{80,160}', '{w80}', 'critical', { entropy: 3.5 }),
  ]),
  ...vendor('OpenAI', 'https://platform.openai.com/docs/api-reference/authentication', [
    {
      id: 'openai-api-key',
      keywords: ['T3BlbkFJ'],
      pattern: 'sk-(?:proj-|svcacct-|admin-|service-|None-)?[\\w-]{20,100}T3BlbkFJ[\\w-]{20,100}',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: [
          'OPENAI_API_KEY=sk-proj-{w74}T3BlbkFJ{w74}',
          '"sk-{A20}T3BlbkFJ{A20}"',
          'sk-svcacct-{w58}T3BlbkFJ{w58}',
        ],
        miss: ['sk-{A20}T3BlbkFK{A20}', 'sk-{A20}T3BlbkFJ{A19}"'],
      },
    },
    prefixed('openai-project-key', 'sk-proj-', '[\\w-]{40,200}', '{w40}', 'critical', { edge: true, entropy: 3.8 }),
    prefixed('openai-service-account-key', 'sk-svcacct-', '[\\w-]{40,200}', '{w40}', 'critical', { entropy: 3.8 }),
    {
      id: 'sk-api-key',
      keywords: ['sk-'],
      pattern: '\\bsk-(?:[A-Za-z0-9]{48}|[0-9a-f]{32})\\b',
      entropy: 3.2,
      checksum: 'mixed',
      severity: 'critical',
      examples: {
        match: ['MOONSHOT_API_KEY=sk-{A48}', '{"key": "sk-{x32}"}'],
        miss: ['sk-{A47}', 'sk-{x31}', 'task-{A48}'],
      },
    },
  ]),
  ...vendor('Hugging Face', 'https://huggingface.co/docs/hub/security-tokens', [
    prefixed('huggingface-token', 'hf_', '[A-Za-z]{34}', '{L34}', 'critical', { edge: true, entropy: 3.5 }),
    prefixed('huggingface-organization-token', 'api_org_', '[A-Za-z]{34}', '{L34}', 'critical', { entropy: 3.5 }),
  ]),
  ...vendor('Cohere', 'https://docs.cohere.com/reference/about', [
    near('cohere-api-key', ['cohere', 'co_api_key'], '[A-Za-z0-9]{40}', '{A40}', 'high', {
      checksum: 'mixed',
      entropy: 3.5,
    }),
  ]),
  ...vendor('Mistral AI', 'https://docs.mistral.ai/getting-started/quickstart/', [
    near('mistral-api-key', ['mistral'], '[A-Za-z0-9]{32}', '{A32}', 'high', { checksum: 'mixed', entropy: 3.5 }),
  ]),
  ...vendor('Groq', 'https://console.groq.com/docs/quickstart', [
    prefixed('groq-api-key', 'gsk_', '[A-Za-z0-9]{52}', '{A52}', 'critical'),
  ]),
  ...vendor('Replicate', 'https://replicate.com/docs/topics/security/api-tokens', [
    prefixed('replicate-api-token', 'r8_', '[A-Za-z0-9]{37}', '{A37}', 'critical', { edge: true, entropy: 3.5 }),
  ]),
  ...vendor('Perplexity', 'https://docs.perplexity.ai/guides/getting-started', [
    prefixed('perplexity-api-key', 'pplx-', '[A-Za-z0-9]{48}', '{A48}', 'critical'),
  ]),
  ...vendor('xAI', 'https://docs.x.ai/docs/overview', [
    prefixed('xai-api-key', 'xai-', '[A-Za-z0-9]{80}', '{A80}', 'critical'),
  ]),
  ...vendor('OpenRouter', 'https://openrouter.ai/docs/api-reference/authentication', [
    prefixed('openrouter-api-key', 'sk-or-v1-', '[0-9a-f]{64}', '{x64}', 'critical'),
  ]),
  ...vendor('Together AI', 'https://docs.together.ai/docs/quickstart', [
    prefixed('together-api-key', 'tgp_v1_', '[\\w-]{43}', '{w43}', 'critical'),
    near('together-legacy-key', ['together_api', 'togetherai'], '[0-9a-f]{64}', '{x64}', 'high'),
  ]),
  ...vendor('Fireworks AI', 'https://docs.fireworks.ai/getting-started/quickstart', [
    prefixed('fireworks-api-key', 'fw_', '[A-Za-z0-9]{22,24}\\b', '{A22}', 'high', {
      edge: true,
      entropy: 3.6,
      checksum: 'mixed',
    }),
  ]),
  ...vendor('ElevenLabs', 'https://elevenlabs.io/docs/api-reference/authentication', [
    prefixed('elevenlabs-api-key', 'sk_', '[0-9a-f]{48}\\b', '{x48}', 'high', { edge: true, entropy: 3 }),
  ]),
  ...vendor('AssemblyAI', 'https://www.assemblyai.com/docs/api-reference/overview', [
    near('assemblyai-api-key', ['assemblyai', 'assembly_ai'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('Deepgram', 'https://developers.deepgram.com/docs/create-additional-api-keys', [
    near('deepgram-api-key', ['deepgram'], '[0-9a-f]{40}', '{x40}', 'high'),
  ]),
  ...vendor('Voyage AI', 'https://docs.voyageai.com/docs/api-key-and-installation', [
    prefixed('voyage-api-key', 'pa-', '[\\w-]{43}', '{w43}', 'high', { edge: true, entropy: 4.2, checksum: 'mixed' }),
  ]),
  ...vendor('Jina AI', 'https://jina.ai/api-dashboard/key-manager', [
    prefixed('jina-api-key', 'jina_', '[\\w-]{60}', '{w60}', 'high', { entropy: 3.8 }),
  ]),
  ...vendor('Pinecone', 'https://docs.pinecone.io/guides/projects/manage-api-keys', [
    prefixed('pinecone-api-key', 'pcsk_', '[A-Za-z0-9]{4,7}_[A-Za-z0-9]{60,70}', '{A5}_{A60}', 'high'),
  ]),
  ...vendor('LangChain', 'https://docs.langchain.com/langsmith/create-account-api-key', [
    {
      id: 'langsmith-api-key',
      keywords: ['lsv2_'],
      pattern: 'lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}',
      entropy: 3,
      severity: 'high',
      examples: {
        match: ['LANGSMITH_API_KEY=lsv2_pt_{x32}_{x10}', '"lsv2_sk_{x32}_{x10}"'],
        miss: ['lsv2_pt_{x32}_{x9}"', 'lsv2_xx_{x32}_{x10}'],
      },
    },
  ]),
  ...vendor('Weights & Biases', 'https://docs.wandb.ai/guides/track/environment-variables/', [
    near('wandb-api-key', ['wandb', 'weights_and_biases'], '[0-9a-f]{40}', '{x40}', 'high'),
  ]),
  ...vendor('NVIDIA', 'https://docs.nvidia.com/nim/', [
    prefixed('nvidia-api-key', 'nvapi-', '[\\w-]{60,70}', '{w60}', 'critical', { entropy: 3.8 }),
  ]),
  ...vendor('Cerebras', 'https://inference-docs.cerebras.ai/quickstart', [
    prefixed('cerebras-api-key', 'csk-', '[a-z0-9]{48}', '{a48}', 'critical', { edge: true }),
  ]),
  ...vendor('Langfuse', 'https://langfuse.com/docs/observability/get-started', [
    prefixed('langfuse-secret-key', 'sk-lf-', UUID, '{u}', 'high'),
  ]),
  ...vendor('Helicone', 'https://docs.helicone.ai/helicone-headers/helicone-auth', [
    prefixed('helicone-api-key', 'sk-helicone-', '[a-z0-9-]{27,60}', '{a27}', 'high'),
  ]),
  ...vendor('DeepL', 'https://developers.deepl.com/docs/getting-started/auth', [
    {
      id: 'deepl-api-key',
      keywords: [':fx', 'deepl'],
      pattern: '\\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:fx\\b',
      entropy: 2.5,
      severity: 'high',
      examples: {
        match: ['DEEPL_AUTH_KEY={u}:fx', 'DeepL-Auth-Key {u}:fx'],
        miss: ['{u}:fy', '{x8}-{x4}-{x4}-{x4}-{x11}:fx'],
      },
    },
  ]),
  ...vendor('RunPod', 'https://docs.runpod.io/get-started/api-keys', [
    prefixed('runpod-api-key', 'rpa_', '[A-Z0-9]{44,46}', '{U44}', 'critical'),
  ]),
  ...vendor('Modal', 'https://modal.com/docs/reference/modal.config', [
    prefixed('modal-token-secret', 'as-', '[A-Za-z0-9]{22}\\b', '{A22}', 'high', {
      edge: true,
      entropy: 3.7,
      checksum: 'mixed',
    }),
  ]),
  ...vendor('Tavily', 'https://docs.tavily.com/documentation/quickstart', [
    prefixed('tavily-api-key', 'tvly-', '(?:dev-|prod-)?[A-Za-z0-9]{32}', '{A32}', 'high'),
  ]),
  ...vendor('Firecrawl', 'https://docs.firecrawl.dev/introduction', [
    prefixed('firecrawl-api-key', 'fc-', '[0-9a-f]{32}\\b', '{x32}', 'high', { edge: true }),
  ]),
  ...vendor('Zhipu AI', 'https://docs.z.ai/api-reference/introduction', [
    near('zhipu-api-key', ['zhipu', 'bigmodel', 'zai_api'], '[0-9a-f]{32}\\.[A-Za-z0-9]{16}', '{x32}.{A16}', 'high'),
  ]),
  ...vendor('Anyscale', 'https://docs.anyscale.com/administration/identity-management/service-accounts', [
    prefixed('anyscale-secret', 'esecret_', '[A-Za-z0-9]{26,30}', '{A26}', 'high'),
  ]),
  ...vendor('Databricks', 'https://docs.databricks.com/dev-tools/auth/pat', [
    prefixed('databricks-token', 'dapi', '[0-9a-f]{32}(?:-[0-9])?', '{x32}', 'critical', { edge: true }),
    prefixed('databricks-oauth-secret', 'dose', '[0-9a-f]{32}', '{x32}', 'critical', { edge: true }),
  ]),
  ...vendor('Exa', 'https://docs.exa.ai/reference/getting-started', [
    near('exa-api-key', ['exa_api', 'exa-api', 'exaapi'], UUID, '{u}', 'high'),
  ]),
  ...vendor('Clarifai', 'https://docs.clarifai.com/control/authentication/pat/', [
    near('clarifai-pat', ['clarifai'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('Cursor', 'https://docs.cursor.com/account/api', [
    prefixed('cursor-api-key', 'crsr_', '[0-9a-f]{64}', '{x64}', 'high'),
    prefixed('cursor-legacy-key', 'key_', '[0-9a-f]{64}', '{x64}', 'high', { edge: true }),
  ]),
];
