import fs from 'node:fs';
import path from 'node:path';
import { BottleError } from '../kernel/errors.ts';
import type { Advertisement } from '../protocol/git/advertisement.ts';
import type { ObjectFormat, Oid } from '../schema/git.ts';
import type { GateRepo } from '../schema/git-gate.ts';
import { askGit, runGit } from './git.ts';
import { Turns } from './turns.ts';
import type { Upstream } from './upstream.ts';
import { viewOf, type GateView } from './view.ts';

/** What a repository was found to be, right after its upstream was asked. */
export interface Synced {
  readonly advertisement: Advertisement;
  readonly view: GateView;
}

/** Each is a file until they are packed. */
const MANY_REFS = 200;

/**
 * One repository's bare copy, which the bottle is served from. Its refs are the upstream's, as of the last time that it
 * was asked; nothing is served that was not asked for right before (REFERENCE 7: never stale).
 */
export class Mirror {
  readonly repo: GateRepo;
  readonly upstream: Upstream;
  readonly directory: string;
  /** Fetch, scan, forward and accept of one push at a time (SECURITY S29). */
  readonly turns = new Turns();
  #running: Promise<Synced> | null = null;
  #next: Promise<Synced> | null = null;
  #format: ObjectFormat | null = null;

  constructor(repo: GateRepo, upstream: Upstream, directory: string) {
    this.repo = repo;
    this.upstream = upstream;
    this.directory = directory;
  }

  /** The upstream has been asked at least once. */
  get synced(): boolean {
    return this.#format !== null;
  }

  get format(): ObjectFormat {
    return this.#format ?? 'sha1';
  }

  /** For a fetch: whoever comes while the upstream is being asked shares the next answer, not the present one. */
  sync(): Promise<Synced> {
    if (this.#running === null) return this.#start();
    this.#next ??= this.#running.catch(() => undefined).then(() => this.#start());
    return this.#next;
  }

  #start(): Promise<Synced> {
    this.#next = null;
    const running = this.turns
      .take(() => this.syncInTurn())
      .finally(() => {
        this.#running = null;
      });
    this.#running = running;
    return running;
  }

  /** For a push, which has its turn. */
  async syncInTurn(): Promise<Synced> {
    const advertisement = await this.upstream.advertise('git-upload-pack');
    await this.#prepare(advertisement.format);
    const view = viewOf(advertisement, this.repo.rules);
    const present = await this.refs();
    await this.#bring(view, present);
    await this.#apply(view, present);
    return { advertisement, view };
  }

  /** All of the bare repository's, by name. */
  async refs(): Promise<ReadonlyMap<string, Oid>> {
    const listed = await askGit({
      directory: this.directory,
      args: ['for-each-ref', '--format=%(objectname) %(refname)'],
    });
    return new Map(
      listed
        .split('\n')
        .filter(Boolean)
        .map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]),
    );
  }

  async #prepare(format: ObjectFormat): Promise<void> {
    if (this.#format === format) return;
    if (this.#format !== null && (await this.refs()).size > 0)
      throw new BottleError('upstream_failed', {
        message: `${this.repo.url} has changed the kind of its objects' names; start the bottle anew`,
      });
    fs.rmSync(this.directory, { recursive: true, force: true });
    fs.mkdirSync(path.dirname(this.directory), { recursive: true });
    await askGit({
      directory: this.directory,
      args: ['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, this.directory],
    });
    this.#format = format;
  }

  async #bring(view: GateView, present: ReadonlyMap<string, Oid>): Promise<void> {
    const known = new Set(present.values());
    const wanted = [...view.refs].filter(([, oid]) => !known.has(oid)).map(([ref]) => view.names.get(ref) ?? ref);
    if (wanted.length > 0) await this.upstream.fetch(this.directory, wanted);
  }

  /** Refs that are gone go first: `a` makes room for `a/b`. */
  async #apply({ refs, head }: GateView, present: ReadonlyMap<string, Oid>): Promise<void> {
    const gone = [...present.keys()].filter((ref) => !refs.has(ref)).map((ref) => `delete ${ref}\n`);
    const changed = [...refs]
      .filter(([ref, oid]) => present.get(ref) !== oid)
      .map(([ref, oid]) => `update ${ref} ${oid}\n`);
    for (const transaction of [gone, changed]) {
      if (transaction.length === 0) continue;
      const input = ['start\n', ...transaction, 'prepare\n', 'commit\n'].join('');
      const { status, stderr } = await runGit({ directory: this.directory, args: ['update-ref', '--stdin'] }, input);
      if (status !== 0)
        throw new BottleError('upstream_failed', {
          message: `${this.repo.url} changed while it was fetched, or has refs that can't be together: ${stderr.trim()}`,
        });
    }
    if (changed.length > MANY_REFS) await askGit({ directory: this.directory, args: ['pack-refs', '--all'] });
    await askGit({ directory: this.directory, args: ['symbolic-ref', 'HEAD', head] });
  }
}
