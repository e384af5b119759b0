import { describe, expect, it } from 'vitest';
import type { DecisionRecord } from '../../src/schema/decision.ts';
import { send } from './support/agent.ts';
import { startHarness } from './support/harness.ts';
import { startOrigin } from './support/origin.ts';

const HOST = 'api.example.com';
const TOKEN = 'tok_live_L0gQ83hd7Wm2pXv91LtR5k';
const SECRET = 'known_value_L0g83hd7Wm2pXv91LtR5k';

async function through(
  log: 0 | 1 | 2,
): Promise<{ readonly record: DecisionRecord | undefined; readonly told: number }> {
  await using origin = await startOrigin((request, response) => {
    request.resume();
    response.writeHead(200, { 'x-answer': 'yes', 'x-echo': TOKEN, 'set-cookie': 'session=abcdefgh' }).end('ok');
  });
  const routes = [{ host: HOST, auth: { scheme: 'Bearer' as const, token_ref: 'TOKEN' } }];
  await using harness = await startHarness({
    routes,
    origins: { [`${HOST}:443`]: origin },
    tokens: { TOKEN },
    knownValues: { KEY: SECRET },
  });
  harness.gateway.reload({ ...harness.config(routes, 2), log });
  let told = 0;
  harness.gateway.onEnded(() => (told += 1));
  const headers = { 'x-asked': 'a'.repeat(600), authorization: 'Bearer the-agents-own', cookie: 'a=b' };
  await send(harness, `https://${HOST}/`, { headers });
  const [record] = await harness.ended(1);
  for (const secret of [TOKEN, SECRET, 'the-agents-own', 'abcdefgh'])
    expect(harness.record.lines.join()).not.toContain(secret);
  expect(harness.decided()).toHaveLength(1);
  return { record, told };
}

describe('egress.log', () => {
  it('0 records each decision, and tells nobody of it', async () => {
    const { record, told } = await through(0);
    expect([record?.decision, record?.full, told]).toEqual(['allow', undefined, 0]);
  });

  it('1 tells of decisions', async () => {
    const { record, told } = await through(1);
    expect([record?.full, told]).toEqual([undefined, 1]);
  });

  it('S35 2 holds the fields of request and answer, without what must not be in a record', async () => {
    const { record, told } = await through(2);
    expect(told).toBe(1);
    expect(record?.full?.request).toContainEqual(['x-asked', 'a'.repeat(512)]);
    expect(record?.full?.request).toContainEqual(['authorization', '[21 characters]']);
    expect(record?.full?.request).toContainEqual(['cookie', '[3 characters]']);
    expect(record?.full?.response).toContainEqual(['x-answer', 'yes']);
    expect(record?.full?.response).toContainEqual(['x-echo', '[redacted TOKEN]']);
    expect(record?.full?.response).toContainEqual(['set-cookie', '[16 characters]']);
  });

  it('2 holds the fields of what is refused', async () => {
    await using harness = await startHarness({ routes: [{ host: HOST }], knownValues: { KEY: SECRET } });
    harness.gateway.reload({ ...harness.config([{ host: HOST }], 2), log: 2 });
    await send(harness, `https://${HOST}/`, { headers: { 'x-leak': `a ${SECRET}` } });
    const [record] = await harness.ended(1);
    expect(record?.decision).toBe('deny');
    expect(record?.full).toMatchObject({ response: null });
    expect(record?.full?.request).toContainEqual(['x-leak', 'a [redacted KEY]']);
  });
});
