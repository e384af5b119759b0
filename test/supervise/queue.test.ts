import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/ports/clock.ts';
import { CLAIM_MS, PENDING_MS, readProposal } from '../../src/protocol/proposal-state.ts';
import type { AnswerEvent, AskedEvent, Proposal } from '../../src/schema/proposal.ts';
import { proposalId, ProposalQueue, type QueuePlaces } from '../../src/supervise/queue.ts';

class TestClock implements Clock {
  ms = Date.parse('2026-11-20T10:00:00.000Z');
  now(): number {
    return this.ms;
  }
  monotonic(): number {
    return this.ms;
  }
  timestamp(): string {
    return new Date(this.ms).toISOString();
  }
}

class Scratch implements Disposable {
  readonly places: QueuePlaces;
  readonly clock = new TestClock();
  readonly queue: ProposalQueue;
  readonly #root = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-queue-'));
  constructor() {
    this.places = { asked: path.join(this.#root, 'asked'), answers: path.join(this.#root, 'answers') };
    fs.mkdirSync(this.places.asked);
    fs.mkdirSync(this.places.answers);
    this.queue = new ProposalQueue(this.places, this.clock);
  }
  [Symbol.dispose](): void {
    fs.rmSync(this.#root, { recursive: true, force: true });
  }
}

const SLUG = 'reviewer-k3x9q';
const ROUTE = { host: 'api.example.com', matches: [{ methods: ['GET'] }] };
const WISH = { slug: SLUG, route: ROUTE, reason: 'to read the docs' };
const free = (): null => null;

function filed(scratch: Scratch): string {
  const asked = scratch.queue.ask(WISH, free);
  if ('refused' in asked) throw new Error(asked.refused);
  return asked.state.proposal.id;
}

const approved = (by: string): AnswerEvent => ({
  event: 'approved',
  by,
  at: '2026-11-20T10:01:00.000Z',
  scope: 'run',
  granted: ROUTE,
  generation: 2,
  untilMs: null,
  note: '',
});

describe('the queue', () => {
  it('counts the same ask, and is named by the hash of what is asked', () => {
    using scratch = new Scratch();
    const id = filed(scratch);
    expect(id).toBe(proposalId({ slug: SLUG, kind: 'allow', route: ROUTE, round: 1 }));
    const again = scratch.queue.ask({ ...WISH, reason: 'because I say so' }, () => 'too many');
    expect(again).toMatchObject({
      isNew: false,
      state: { count: 2, status: 'pending', proposal: { reason: WISH.reason } },
    });
    expect(scratch.queue.list()).toHaveLength(1);
  });

  it('says no to what is new and too much', () => {
    using scratch = new Scratch();
    expect(scratch.queue.ask(WISH, () => 'too many')).toEqual({ refused: 'too many' });
    expect(scratch.queue.list()).toEqual([]);
  });

  it('asks anew when an answer is over, and not before', () => {
    using scratch = new Scratch();
    const id = filed(scratch);
    scratch.queue.answer(id, { event: 'claimed', by: 'a', atMs: 0 });
    scratch.queue.answer(id, approved('a'));
    expect(scratch.queue.ask(WISH, free)).toMatchObject({ isNew: false, state: { status: 'approved' } });
    scratch.queue.answer(id, { event: 'undone', at: scratch.clock.timestamp() });
    expect(scratch.queue.ask(WISH, free)).toMatchObject({
      isNew: true,
      state: { status: 'pending', proposal: { round: 2 } },
    });
  });

  it('H12 a proposal that nobody answers is over after a day', () => {
    using scratch = new Scratch();
    const id = filed(scratch);
    scratch.clock.ms += PENDING_MS + 1;
    expect(scratch.queue.read(id)?.status).toBe('expired');
    expect(scratch.queue.answer(id, { event: 'undone', at: '' })?.status).toBe('expired');
  });

  it.each([
    {
      why: 'a line cut short by a kill',
      spoil: (file: string) => {
        fs.appendFileSync(file, '{"event":"again","at"');
      },
    },
    {
      why: 'a line that is no event',
      spoil: (file: string) => {
        fs.appendFileSync(file, '{"event":"approved"}\n');
      },
    },
    {
      why: 'bytes that are no text',
      spoil: (file: string) => {
        fs.appendFileSync(file, Buffer.of(0xff, 0xfe, 0x0a));
      },
    },
  ])('goes on after $why', ({ spoil }) => {
    using scratch = new Scratch();
    const id = filed(scratch);
    spoil(path.join(scratch.places.asked, `${id}.jsonl`));
    scratch.queue.ask(WISH, free);
    expect(scratch.queue.read(id)).toMatchObject({ status: 'pending', count: 2 });
  });

  it.each([
    {
      why: 'a link to another file',
      plant: (file: string, secret: string) => {
        fs.symlinkSync(secret, file);
      },
    },
    {
      why: 'a pipe',
      plant: (file: string) => {
        fs.mkdirSync(file);
      },
    },
    {
      why: 'another proposal under this name',
      plant: (file: string) => {
        const proposal: Proposal = {
          id: 'a'.repeat(64),
          slug: SLUG,
          kind: 'allow',
          route: { host: 'evil.example' },
          reason: '',
          createdAt: '2026-11-20T10:00:00.000Z',
          round: 1,
        };
        fs.writeFileSync(file, `${JSON.stringify({ event: 'filed', proposal })}\n`);
      },
    },
  ])('S33 shows nothing for $why', ({ plant }) => {
    using scratch = new Scratch();
    const secret = path.join(scratch.places.answers, 'secret');
    fs.writeFileSync(secret, 'secret');
    plant(path.join(scratch.places.asked, `${'a'.repeat(64)}.jsonl`), secret);
    expect(() => scratch.queue.list()).not.toThrow();
    expect(scratch.queue.list()).toEqual([]);
  });
});

/** One answerer's program: claim, look whose turn it is, answer, look again. Any prefix of it may be all that runs. */
type Step = 'claim' | 'answer';
interface Actor {
  readonly name: string;
  readonly verdict: 'approved' | 'rejected';
  at: number;
  holds: boolean;
  believesAnswered: boolean;
}

describe('S33 no proposal is lost or answered twice, in any order of any number of answerers', () => {
  const proposal: Proposal = {
    id: 'f'.repeat(64),
    slug: SLUG,
    kind: 'allow',
    route: ROUTE,
    reason: '',
    createdAt: '2026-11-20T10:00:00.000Z',
    round: 1,
  };
  const asked: readonly AskedEvent[] = [{ event: 'filed', proposal }];
  const PROGRAM: readonly Step[] = ['claim', 'answer'];

  it('whoever holds the turn alone answers, and an answerer that dies loses it', () => {
    const schedule = fc.array(
      fc.record({ actor: fc.nat(3), waitMs: fc.constantFrom(0, 10, CLAIM_MS + 1), dies: fc.boolean() }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(schedule, (turns) => {
        const log: AnswerEvent[] = [];
        let nowMs = 0;
        const actors: Actor[] = Array.from({ length: 4 }, (_, index) => ({
          name: `actor-${String(index)}`,
          verdict: index % 2 === 0 ? 'approved' : 'rejected',
          at: 0,
          holds: false,
          believesAnswered: false,
        }));
        const look = (): ReturnType<typeof readProposal> =>
          readProposal({ asked, answers: log }, { nowMs: 0, filedMs: 0 });
        for (const { actor: index, waitMs, dies } of turns) {
          nowMs += waitMs;
          const actor = actors[index];
          if (actor === undefined) continue;
          if (dies) {
            Object.assign(actor, { at: 0, holds: false });
            continue;
          }
          if (PROGRAM[actor.at] === 'claim') {
            log.push({ event: 'claimed', by: actor.name, atMs: nowMs });
            actor.holds = look()?.holder === actor.name;
            actor.at = actor.holds ? 1 : 0;
          } else {
            const before = look();
            const event: AnswerEvent =
              actor.verdict === 'approved'
                ? approved(actor.name)
                : { event: 'rejected', by: actor.name, at: '', note: '' };
            log.push(event);
            actor.believesAnswered = before?.status === 'pending' && look()?.answer === event;
            actor.at = 0;
          }
        }
        const state = look();
        expect(state).not.toBeNull();
        expect(actors.filter(({ believesAnswered }) => believesAnswered).length).toBe(state?.answer === null ? 0 : 1);
        // Never lost: as long as it is pending, somebody can get the turn and answer.
        if (state?.status === 'pending') {
          log.push({ event: 'claimed', by: 'last', atMs: nowMs + CLAIM_MS + 1 }, approved('last'));
          expect(look()?.status).toBe('approved');
        } else {
          log.push(
            { event: 'claimed', by: 'last', atMs: nowMs + CLAIM_MS + 1 },
            { event: 'rejected', by: 'last', at: '', note: '' },
          );
          expect(look()?.answer).toBe(state?.answer);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
