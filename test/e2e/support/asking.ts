import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { pollUntil } from '../../../src/launch/readiness.ts';
import { InboxSchema, type ProposalView } from '../../../src/schema/inbox.ts';
import { upstreamCa } from '../../egress/support/origin.ts';
import { collect, World, type CliResult } from './world.ts';

/** A real bottle whose agent asks by MCP; a line of JSON is a tool call, a line of curl arguments a request. */
export const HOST = 'api.example.com';
const MCP = 'http://supervise:9100/mcp';
export const AGENT = [
  'echo ready',
  'while read -r kind line; do',
  `if [ "$kind" = call ]; then curl -sS -m 60 -H content-type:application/json -H "accept: application/json, text/event-stream" -H "mcp-protocol-version: 2025-06-18" -d "$line" ${MCP} | tr -d "\\n"; echo;`,
  'else eval "curl -sS -m 30 -o /dev/null -w \'%{http_code} %{http_connect}\\n\' $line"; fi; done',
].join('\n');

const ProposalsSchema = InboxSchema.shape.proposals;
const ToolAnswerSchema = z.looseObject({ id: z.string(), status: z.string(), message: z.string() });
type ToolAnswer = z.infer<typeof ToolAnswerSchema>;

const START = ['run', '--bottle', 'api', '--workspace', 'none', '--', 'sh', '-c', AGENT];

export class Asking implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  readonly world: World;
  #said = '';
  #asked = 0;

  constructor(world: World, started: readonly string[] = START) {
    this.world = world;
    this.child = world.spawn(started, {
      env: { API_TOKEN: 'tok_live_Hx93QmZ2Lp7Rt5Vw', INSIDE_KEY: 'rk_live_9XqT2ZwBn4Lk8Vd3' },
    });
    this.ended = collect(this.child);
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
  }

  async #line(text: string): Promise<string> {
    this.#asked += 1;
    const at = this.#asked;
    await pollUntil('the agent', 30_000, () => (this.#said.startsWith('ready\n') ? true : null));
    this.child.stdin?.write(`${text}\n`);
    return pollUntil('an answer', 60_000, () => {
      const lines = this.#said.split('\n');
      return lines.length - 1 > at ? (lines[at] ?? null) : null;
    });
  }

  request(curl: string): Promise<string> {
    return this.#line(`curl ${curl}`);
  }

  async call(name: string, parameters: Readonly<Record<string, unknown>>): Promise<ToolAnswer> {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: parameters } };
    const said = await this.#line(`call ${JSON.stringify(message)}`);
    const [, json = ''] = /data: (\{.*\})/.exec(said) ?? [null, said];
    const answer = z.looseObject({ result: z.looseObject({ structuredContent: z.unknown() }) }).parse(JSON.parse(json));
    return ToolAnswerSchema.parse(answer.result.structuredContent);
  }

  async proposals(...more: readonly string[]): Promise<readonly ProposalView[]> {
    const listed = await this.world.run(['supervise', 'list', '--json', ...more]);
    if (listed.code !== 0) throw new Error(listed.stderr);
    return ProposalsSchema.parse(JSON.parse(listed.stdout));
  }

  async firstProposal(): Promise<ProposalView> {
    return pollUntil('a proposal', 30_000, async () => (await this.proposals())[0] ?? null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.stdin?.end();
    await this.ended;
  }
}

export function worldWith(origin: { readonly port: number }): World {
  const world = new World();
  fs.writeFileSync(path.join(world.home, 'upstream.pem'), upstreamCa.certificate);
  world.settings(
    `upstream:\n  extra_ca: [${path.join(world.home, 'upstream.pem')}]\n  resolve: {"${HOST}:443": "127.0.0.1:${String(origin.port)}"}`,
  );
  world.bottle('api', 'env: {INSIDE_KEY: "${INSIDE_KEY}"}\negress:\n  routes:\n    - host: other.example');
  return world;
}
