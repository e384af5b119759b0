import { describe, expect, it } from 'vitest';
import { Scope } from '../../src/kernel/scope.ts';
import { runSteps, type Step } from '../../src/launch/steps.ts';

const never = new AbortController().signal;

function playbook(failAt: string | null): { steps: Step<string[]>[]; log: string[] } {
  const log: string[] = [];
  const steps = ['first', 'second', 'third'].map((name): Step<string[]> => ({
    name,
    announce: () => ({ of: name }),
    run: (_context, scope) => {
      log.push(`run ${name}`);
      scope.defer(name, () => {
        log.push(`undo ${name}`);
      });
      return name === failAt ? Promise.reject(new Error(`${name} failed`)) : Promise.resolve();
    },
  }));
  return { steps, log };
}

describe('H5 the launch is a list of named steps, each with its undo', () => {
  it('journals a step before it runs, and reports it after', async () => {
    const { steps, log } = playbook(null);
    const scope = new Scope();
    const observer = {
      journal: ({ step }: { step: string }) => log.push(`journal ${step}`),
      onDone: (step: string) => log.push(`done ${step}`),
    };
    await runSteps(steps, log, scope, observer, never);
    expect(log).toEqual(
      ['first', 'second', 'third'].flatMap((name) => [`journal ${name}`, `run ${name}`, `done ${name}`]),
    );
  });

  it.each([
    ['first', ['undo first']],
    ['second', ['undo second', 'undo first']],
    ['third', ['undo third', 'undo second', 'undo first']],
  ])('a failure in %s undoes in reverse what was begun', async (failAt, undone) => {
    const { steps, log } = playbook(failAt);
    const scope = new Scope();
    const observer = { journal: () => undefined, onDone: () => undefined };
    await expect(runSteps(steps, log, scope, observer, never)).rejects.toThrow(`${failAt} failed`);
    await scope[Symbol.asyncDispose]();
    expect(log.filter((line) => line.startsWith('undo'))).toEqual(undone);
  });

  it('begins no further step once it is aborted', async () => {
    const { steps, log } = playbook(null);
    const abort = new AbortController();
    const observer = {
      journal: () => undefined,
      onDone: () => {
        abort.abort();
      },
    };
    await expect(runSteps(steps, log, new Scope(), observer, abort.signal)).rejects.toThrow(
      'stopped before step "second"',
    );
    expect(log).toEqual(['run first']);
  });

  it('does not answer a launch that was aborted during its last step', async () => {
    const { steps, log } = playbook(null);
    const abort = new AbortController();
    const observer = {
      journal: () => undefined,
      onDone: (step: string) => {
        if (step === 'third') abort.abort();
      },
    };
    await expect(runSteps(steps, log, new Scope(), observer, abort.signal)).rejects.toThrow(
      'stopped before the agent was let in',
    );
  });

  it('an undo that fails does not keep the others from running', async () => {
    const log: string[] = [];
    const scope = new Scope();
    scope.defer('lower', () => {
      log.push('lower');
    });
    scope.defer('failing', () => {
      throw new Error('stuck');
    });
    scope.defer('upper', () => {
      log.push('upper');
    });
    await expect(scope[Symbol.asyncDispose]()).rejects.toThrow('stuck');
    expect(log).toEqual(['upper', 'lower']);
  });
});
