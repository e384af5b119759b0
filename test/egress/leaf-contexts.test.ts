import { describe, expect, it } from 'vitest';
import { LeafContexts } from '../../src/egress/leaf-contexts.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createBottleCa, createLeafMinter } from '../../src/platform/tls-ca.ts';

const ca = createBottleCa(systemClock, 'tests');

describe('leaf contexts', () => {
  it('are kept by name, and the one not used longest goes first', () => {
    const contexts = new LeafContexts(createLeafMinter(ca, systemClock), systemClock, 2);
    const a = contexts.contextFor('a.example');
    const b = contexts.contextFor('b.example');
    expect(contexts.contextFor('a.example')).toBe(a);
    contexts.contextFor('c.example');
    expect(contexts.size).toBe(2);
    expect(contexts.contextFor('a.example')).toBe(a);
    expect(contexts.contextFor('b.example')).not.toBe(b);
    expect(contexts.minted).toBe(4);
  });

  it('are made anew before their certificate ends', () => {
    let now = Date.now();
    const clock = { ...systemClock, now: () => now };
    const contexts = new LeafContexts(createLeafMinter(ca, clock), clock);
    const first = contexts.contextFor('a.example');
    now += 40 * 24 * 3600 * 1000;
    expect(contexts.contextFor('a.example')).not.toBe(first);
  });
});
