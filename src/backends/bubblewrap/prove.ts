import path from 'node:path';
import { childrenOf } from '../../platform/processes.ts';
import type { Proof, ProofContext, WallCheck } from '../../ports/backend.ts';
import { INSIDE } from '../../schema/plan.ts';
import { judge } from '../common/account.ts';
import { proveWalls } from '../common/prove.ts';
import { readAccount } from '../common/read-account.ts';
import { encodeFrame, questionFields } from '../probe/frames.ts';
import { expectedMounts } from './expected-mounts.ts';
import type { BubblewrapPlan } from './plan.ts';
import type { BottleProcess } from './process.ts';

export interface ProofParts {
  readonly intended: BubblewrapPlan;
  readonly bottle: BottleProcess;
  readonly context: ProofContext;
  readonly stateDirectory: string;
  readonly hostUid: number;
  readonly hostGid: number;
}

export function proveConfinement(parts: ProofParts): Promise<Proof> {
  const { bottle, context, stateDirectory, intended } = parts;
  return proveWalls({
    context,
    absent: hostSecrets(intended, stateDirectory),
    ask: (questions) => {
      bottle.orders.write(encodeFrame(questionFields(questions)));
    },
    report: bottle.report,
    outside: () => bottle.firstPid.then((pid) => outsideChecks(parts, pid)),
  });
}

function outsideChecks({ intended, hostUid, hostGid }: ProofParts, firstPid: number): readonly WallCheck[] {
  const [probe = firstPid] = childrenOf(firstPid);
  return judge(readAccount(probe), {
    hostUid,
    hostGid,
    insideUid: INSIDE.uid,
    insideGid: INSIDE.gid,
    noGroups: intended.ownHostUid,
    ...expectedMounts(intended),
  });
}

/** Things of the host that must not be there inside, less what the operator chose to show. */
function hostSecrets({ mounts, operatorHome: home }: BubblewrapPlan, stateDirectory: string): readonly string[] {
  const private_ = ['.ssh', '.aws', '.gnupg', '.config', '.bashrc', '.profile', '.gitconfig', '.netrc', '.bot-bottle'];
  const candidates = [
    ...['/etc/shadow', '/etc/gshadow', '/etc/sudoers', '/etc/machine-id', '/boot', '/srv', '/mnt', '/sys'],
    ...[
      '/run/docker.sock',
      '/var/run/docker.sock',
      '/run/dbus',
      '/run/systemd',
      '/run/user',
      '/root/.ssh',
      '/root/.bashrc',
    ],
    ...(home === INSIDE.home ? [] : private_.map((name) => path.join(home, name))),
    path.join(stateDirectory, 'journal.jsonl'),
  ];
  const shown = mounts.flatMap((mount) =>
    mount.kind === 'bind' && mount.source.from === 'operator' ? [mount.target] : [],
  );
  const touches = (file: string, mount: string): boolean =>
    file === mount || file.startsWith(`${mount}/`) || mount.startsWith(`${file}/`);
  return candidates.filter((file) => !shown.some((mount) => touches(file, mount)));
}
