import { describe, expect, test } from 'vitest';
import { complaint, effectiveOf, manifestsOf } from './support.ts';

const literal = (bottle: { readonly env: Readonly<Record<string, unknown>> }): Record<string, unknown> =>
  Object.fromEntries(Object.entries(bottle.env).map(([name, value]) => [name, (value as { value?: string }).value]));

describe('extends', () => {
  test('parents left to right, later wins, the child on top', () => {
    const bottle = effectiveOf({
      child: 'extends: [left, right]\nenv: {C: child, ALL: child}',
      left: 'env: {L: left, LR: left, ALL: left}',
      right: 'env: {R: right, LR: right, ALL: right}',
    });
    expect(literal(bottle)).toEqual({ L: 'left', R: 'right', LR: 'right', C: 'child', ALL: 'child' });
    expect(bottle.env['LR']?.origin).toEqual({ file: 'bottles/right.md', line: 2, column: 21 });
  });

  test('a diamond is merged once: the common parent never overrides what came between', () => {
    const bottle = effectiveOf({
      child: 'extends: [left, right]',
      left: 'extends: base\nenv: {X: left}',
      right: 'extends: base\nenv: {Y: right}',
      base: 'env: {X: base, Y: base, Z: base}',
    });
    expect(literal(bottle)).toEqual({ X: 'left', Y: 'right', Z: 'base' });
  });

  test('bottles picked together merge by the same rules, in the order they are named', () => {
    const bottles = { a: 'extends: base\nenv: {X: a}', b: 'extends: base\nenv: {X: b, Y: b}', base: 'env: {Y: base}' };
    expect(literal(effectiveOf(bottles, 'a', 'b'))).toEqual({ X: 'b', Y: 'b' });
    expect(literal(effectiveOf(bottles, 'b', 'a'))).toEqual({ X: 'a', Y: 'b' });
    expect(literal(effectiveOf(bottles, 'a', 'a', 'base'))).toEqual({ X: 'a', Y: 'base' });
    expect(effectiveOf(bottles, 'a', 'b').names).toEqual(['a', 'b']);
  });

  test('a parent says nothing about who may extend it: `extends` itself is not inherited', () => {
    expect(effectiveOf({ child: 'extends: base', base: 'debug: true' }).debug).toBe(true);
  });

  test('G-DENY no bottle at all allows nothing', () => {
    const bottle = manifestsOf({}).loadEffective([]);
    expect(bottle).toMatchObject({
      egress: { log: 1, routes: [] },
      env: {},
      mounts: [],
      provider: null,
      workspace: null,
    });
  });

  test.each([
    {
      why: 'itself',
      bottles: { a: 'extends: a' },
      says: `manifest_invalid
bottles/a.md:2:10  extends
  "a" extends itself`,
    },
    {
      why: 'a circle',
      bottles: { a: 'extends: b', b: 'debug: true\nextends:\n  - c', c: 'extends: [b]' },
      says: `manifest_invalid
bottles/c.md:2:11  extends
  extends goes round in a circle: a → b → c → b`,
    },
    {
      why: 'a parent that is not there',
      bottles: { a: 'extends: [b]', b: 'extends: [nodee]', node: '' },
      says: `manifest_not_found
bottles/b.md:2:11  extends
  there is no bottle "nodee"; did you mean "node"?
  there is: a, b, node
  reached by extends: a → b → nodee
      bot-bottle list available`,
    },
    {
      why: 'a wrong type in a parent',
      bottles: { a: 'extends: b', b: 'extends: c', c: 'extends: {d: e}' },
      says: `manifest_invalid
bottles/c.md:2:10  extends
  must be a string or a list
  reached by extends: a → b → c
      extends: [claude, node]`,
    },
    {
      why: 'a parent named by number',
      bottles: { a: 'extends: [b, 2]', b: '' },
      says: `manifest_invalid
bottles/a.md:2:14  extends[1]
  must be a name such as web-2: small letters, digits and dashes, a letter first
      extends: [claude, node]`,
    },
    {
      why: 'a path for a parent',
      bottles: { a: 'extends: ../../etc/passwd' },
      says: `manifest_invalid
bottles/a.md:2:10  extends
  must be a name such as web-2: small letters, digits and dashes, a letter first
      extends: [claude, node]`,
    },
    {
      why: 'a fault in a parent',
      bottles: { a: 'extends: b', b: 'egres: {}' },
      says: `manifest_invalid
bottles/b.md:2:1  egres
  unknown key "egres"; did you mean "egress"?
  allowed here: description, extends, env, agent_provider, git-gate, egress, supervise, workspace, resources, mounts, budget, debug
  reached by extends: a → b
      egress: {routes: [{host: api.github.com}]}`,
    },
    {
      why: 'a bottle that is not there',
      bottles: {},
      says: `manifest_not_found
there is no bottle "a"
there are no bottles yet
      bot-bottle list available`,
    },
  ])('the chain is shown: $why', ({ bottles, says }) => {
    expect(complaint(() => effectiveOf(bottles as Record<string, string>, 'a'))).toBe(says);
  });
});
