import path from 'node:path';
import { childrenOf } from '../../platform/processes.ts';
import type { Proof, ProofContext, WallCheck } from '../../ports/backend.ts';
import { judge } from '../common/account.ts';
import { proveWalls } from '../common/prove.ts';
import { readAccount } from '../common/read-account.ts';
import { encodeLines, questionFields } from '../probe/frames.ts';
import { expectedMounts } from './container.ts';
import { OURS, type DockerPlan } from './plan.ts';
import type { ContainerStreams } from './streams.ts';

export interface ContainerProofParts {
  readonly intended: DockerPlan;
  readonly attached: ContainerStreams;
  readonly context: ProofContext;
  readonly stateDirectory: string;
  readonly hostPid: number;
  readonly hostUid: number;
}

export function proveContainer(parts: ContainerProofParts): Promise<Proof> {
  const { attached, context, intended, stateDirectory } = parts;
  return proveWalls({
    context,
    absent: hostSecrets(intended, stateDirectory),
    ask: (questions) => {
      attached.write(encodeLines(questionFields(questions)));
    },
    report: attached.report,
    outside: () => Promise.resolve(outsideChecks(parts)),
  });
}

/** The engine's own first process, and the probe below it. */
function outsideChecks({ intended, hostPid, hostUid }: ContainerProofParts): readonly WallCheck[] {
  const [probe = hostPid] = childrenOf(hostPid);
  return judge(readAccount(probe), {
    hostUid,
    hostGid: hostUid,
    insideUid: hostUid,
    insideGid: hostUid,
    noGroups: intended.ownHostUid,
    sharedUserNamespace: true,
    executable: [`${OURS.lib}/`, OURS.node],
    ...expectedMounts(intended),
  });
}

/** Things of the host that no image has, less what the operator chose to show. */
function hostSecrets({ mounts, operatorHome: home }: DockerPlan, stateDirectory: string): readonly string[] {
  const private_ = ['.ssh', '.aws', '.gnupg', '.config', '.gitconfig', '.netrc', '.bot-bottle'];
  const candidates = [
    ...['/run/docker.sock', '/var/run/docker.sock', '/run/containerd', '/run/dbus', '/run/systemd', '/run/user'],
    // An image has a /root of its own, that its user can't look into.
    ...(home === '/root' ? [] : private_.map((name) => path.join(home, name))),
    path.join(stateDirectory, 'journal.jsonl'),
  ];
  const shown = mounts.flatMap(({ source, target }) => (source.from === 'operator' ? [target] : []));
  const touches = (file: string, mount: string): boolean =>
    file === mount || file.startsWith(`${mount}/`) || mount.startsWith(`${file}/`);
  return candidates.filter((file) => !shown.some((mount) => touches(file, mount)));
}
