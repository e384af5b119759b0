import { Secret } from '../kernel/secret.ts';
import type { SecretRequest } from '../launch/secrets.ts';
import type { SecretSource } from '../ports/secret-source.ts';
import { askHidden } from './ask.ts';
import type { ControllingTerminal } from './attach.ts';

/** Asks for each `?` value that nobody prepared, before anything is made; the answers stay in this process. */
export async function askSecrets(
  requests: readonly SecretRequest[],
  source: SecretSource,
  terminal: ControllingTerminal,
  signal: AbortSignal,
): Promise<SecretSource> {
  const answers = new Map<string, Secret>();
  for (const request of requests) {
    if (request.from.kind !== 'prompt') continue;
    const name = request.name.replace(/^env:/, '');
    if (source.preparedAnswer(name) !== null) continue;
    let answer = '';
    while (answer === '') answer = await askHidden(request.from.message ?? `Value of ${name}`, terminal, signal);
    answers.set(name, new Secret(name, answer));
  }
  return {
    hostVariable: (name) => source.hostVariable(name),
    file: (path) => source.file(path),
    preparedAnswer: (name) => answers.get(name) ?? source.preparedAnswer(name),
  };
}
