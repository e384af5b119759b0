/**
 * What people write to make a model do something else than its user wants, as families of phrases. A single phrase is no
 * attack: documents about attacks are full of them. What counts is several families in one place, or a phrase that is
 * hidden from who reads the page (`score.ts`).
 *
 * Patterns run over normalised text: lower case, single spaces, look-alikes and invisible characters undone. Every
 * repetition in them is bounded.
 */
export interface Family {
  readonly id: string;
  readonly weight: number;
  readonly patterns: readonly RegExp[];
}

const WHOSE =
  '(?:all |any |every |each |the |your |my |of |these |those |other |previous |prior |earlier |above |preceding |existing |current |original |initial |system |safety ){1,6}';
const ORDERS =
  '(?:instructions?|prompts?|directives?|directions|guidelines|rules|commands|orders|constraints|restrictions|programming|guardrails|messages|training)';
const MODEL =
  '(?:ai|a\\.i\\.|llm|llms|language model|assistant|chatbot|agent|coding agent|model|claude|chatgpt|gpt-?\\d?|gemini|copilot|codex)';
const SECRETS =
  '(?:system prompt|initial prompt|hidden prompt|initial instructions|hidden instructions|system instructions|system message|api[ _-]?keys?|environment variables?|env vars?|credentials?|access tokens?|secrets?|passwords?|private keys?|ssh keys?|\\.env(?: file)?|~/\\.ssh|~/\\.aws|process\\.env)';

const of = (...sources: readonly string[]): readonly RegExp[] => sources.map((source) => new RegExp(source));

export const FAMILIES: readonly Family[] = [
  {
    id: 'instruction_override',
    weight: 6,
    patterns: of(
      `\\b(?:ignore|disregard|forget|override|overrule|bypass|discard|drop|abandon|stop following|do not follow|don't follow|pay no attention to) ${WHOSE}${ORDERS}\\b`,
      `\\b(?:ignore|disregard|forget) (?:everything|anything|all) (?:that )?(?:you were|you've been|you have been|i|was|said|written|came|above|before|previously|prior)\\b`,
      `\\b${ORDERS} (?:above|before|so far|until now) (?:are|were|is|was) (?:void|cancelled|canceled|outdated|superseded|invalid|a test|replaced)\\b`,
      `\\b(?:your|the) (?:new|real|true|actual|updated) (?:instructions?|task|objective|goal|mission|prompt) (?:is|are)\\b`,
      `\\bnew (?:system )?(?:instructions?|prompt|directive) ?(?:follows?|begins?|starts?|:)`,
      `\\b(?:this|the following) (?:supersedes|overrides|replaces|takes precedence over) ${WHOSE}${ORDERS}\\b`,
    ),
  },
  {
    id: 'role_play',
    weight: 5,
    patterns: of(
      `\\byou are (?:now |no longer )(?:an? |the |in |bound by )?(?:\\w+ ){0,3}(?:dan|jailbroken|unrestricted|unfiltered|uncensored|developer mode|debug mode|god mode|root|administrator|evil|restrictions|rules|guidelines|assistant|agent|operator)\\b`,
      `\\b(?:act|behave|respond|pretend|roleplay) (?:as if|as though|as|like|that) (?:you (?:are|were|have) )?(?:an? |the )?(?:\\w+ ){0,2}(?:unrestricted|unfiltered|uncensored|jailbroken|no restrictions|no rules|system administrator|root user|dan)\\b`,
      `\\b(?:enter|enable|activate|switch to|turn on) (?:developer|debug|god|admin|maintenance|unrestricted|jailbreak|dan) mode\\b`,
      `\\bfrom now on,? you (?:will|must|shall|are to|are|should) (?:only |always |never )?(?:obey|follow|answer|respond|do|act|execute|ignore|be)\\b`,
    ),
  },
  {
    id: 'forged_turn',
    weight: 7,
    patterns: of(
      `<\\|(?:im_start|start_header_id|system|end_of_turn|eot_id)\\|?>`,
      `\\[/?inst\\]\\s?(?:<<sys>>)?|<</?sys>>`,
      `(?:^|\\n)\\s?(?:#{2,3} ?)?(?:system|system message|system prompt|developer)(?: ?\\(?(?:override|update|notice|important)\\)?)? ?: ?(?:you|ignore|the user|from now|do not|important|new|override)`,
      `</?(?:system|system_prompt|system-reminder|function_results|function_calls|tool_result|assistant)>`,
      `\\b(?:end|begin) of (?:user|system|tool) (?:input|prompt|message|output|instructions)\\b`,
    ),
  },
  {
    id: 'disclosure',
    weight: 5,
    patterns: of(
      `\\b(?:reveal|print|repeat|output|show|display|leak|disclose|expose|dump|echo|tell me|give me|recite|reproduce|include|return|read|cat|collect|gather|find|extract) (?:me )?(?:verbatim )?(?:(?:the |your |all |any |of |its |every |full |entire |contents? |value |values |user's |local |stored |available ){0,5})${SECRETS}\\b`,
      `\\bwhat (?:is|are|were) your (?:system |initial |original |hidden |exact )?(?:prompt|instructions)\\b`,
    ),
  },
  {
    id: 'exfiltration',
    weight: 5,
    patterns: of(
      `\\b(?:send|post|upload|exfiltrate|transmit|forward|submit|email|deliver|report|leak|append|encode) (?:\\S{1,30} ){0,8}(?:to|at|into|in|via|as) (?:\\S{1,20} ){0,3}(?:https?://|webhook|the url|this url|the following url|attacker|the server at|a query (?:string|parameter))`,
      `\\b(?:curl|wget|fetch|invoke-webrequest) (?:\\S{1,60} ){0,6}https?://\\S{1,200}(?:\\$\\(|\\$\\{|\`|\\benv\\b|\\?(?:\\w{1,20})=)`,
      `\\b(?:env|printenv|cat [\\w~./-]{1,60}(?:\\.env|id_rsa|id_ed25519|credentials|auth\\.json)) ?\\| ?(?:base64|curl|nc|xxd|gzip)\\b`,
    ),
  },
  {
    id: 'tool_abuse',
    weight: 5,
    patterns: of(
      `\\b(?:run|execute|invoke|call|use|type|paste) (?:\\w+ ){0,4}(?:following |this |these |below )(?:shell |bash |terminal |powershell |system )?(?:commands?|tools?|scripts?|functions?|code)\\b[^.\\n]{0,60}\\b(?:immediately|now|silently|first|before|without|automatically|on (?:the|your) (?:host|machine|terminal))\\b`,
      `\\bwithout (?:asking|telling|notifying|informing|alerting|warning|confirmation from|the knowledge of|mentioning (?:it|this) to)(?: for)? ?(?:the |your |any )?(?:user|human|operator|permission|confirmation|developer|anyone)\\b`,
      `\\b(?:do not|don't|never|must not) (?:tell|mention|inform|reveal|show|disclose|report|alert|notify|say)(?: \\w+){0,4} (?:to )?(?:the |your )?(?:user|human|operator|developer|anyone)\\b`,
      `\\bcurl (?:-\\w+ ){0,4}https?://\\S{1,200} ?\\| ?(?:sudo )?(?:ba|z|da)?sh\\b`,
      `\\b(?:disable|turn off|bypass|skip) (?:\\w+ ){0,3}(?:safety|security|sandbox|permission|confirmation|approval)s? (?:checks?|prompts?|filters?|mode|controls?|measures?|rules)\\b`,
    ),
  },
  {
    id: 'addressed_to_a_model',
    weight: 3,
    patterns: of(
      `\\b(?:if you are|if you're|when you are|since you are|as) (?:an? |the )?(?:\\w+ ){0,2}${MODEL}\\b[^.\\n]{0,20}(?:,|:| reading| processing| you| then)`,
      `\\b(?:note|message|instructions?|attention|important|notice|hint|warning|reminder)(?: ?(?:to|for|:))? (?:all |any |the )?(?:\\w+ )?${MODEL}s?\\b ?[:,!-]`,
      `\\b(?:dear|hey|hello|hi|attention,?) (?:\\w+ )?${MODEL}\\b ?[,:!]`,
      `\\b${MODEL}s? (?:must|should|shall|has to|have to|is required to|are required to|needs to) (?:now |first |also |immediately |always )?(?:ignore|run|execute|send|reveal|include|call|use|follow|obey|visit|fetch|add|output|print)\\b`,
    ),
  },
];
