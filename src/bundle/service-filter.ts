import { assembleSeccomp } from '../backends/common/bpf.ts';
import { seccompEntries } from '../backends/common/seccomp.ts';
import { ARCHITECTURES } from '../backends/common/syscalls.ts';

/**
 * The system call filter of the bundle's processes: the bottle's own, for what the agent has no use for a gateway has
 * none for either. Null on an architecture that the filter does not know; the box then stands without it.
 */
export function serviceFilter(machine: string = process.arch): Uint8Array | null {
  const architecture = ARCHITECTURES.find((name) => name === machine);
  return architecture === undefined ? null : assembleSeccomp(seccompEntries(false), architecture);
}
