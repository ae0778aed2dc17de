import type { ArtifactId } from '../artifact/id.js';
import type { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { FetchProgress } from '../upstream/fetch-progress.js';

/** The results of each kind of job, if it succeeded. */
export interface JobResults {
  /** A mirror was created. */
  readonly clone: {
    /** Objects that were fetched from the upstream. */
    readonly objects: number;
    /** Bytes of packs that were fetched from the upstream. */
    readonly packBytes: number;
    /** Bytes of packs that came from the stored snapshot instead. */
    readonly seededBytes: number;
  };
  /** The upstream was checked, and the objects that the mirror lacked were fetched. */
  readonly fetch: {
    /** Whether refs differ from what this process knew. */
    readonly changed: boolean;
    readonly objects: number;
    readonly packBytes: number;
  };
  /** An artifact was made from a mirror, in one attempt or several. */
  readonly build: {
    /** `unchanged`: the stored artifact has the same content, so nothing was written. */
    readonly outcome: 'written' | 'unchanged';
    /** `undefined` if nothing was written. */
    readonly etag: string | undefined;
    /** The commit that is checked out; `undefined` also in a repository without commits. */
    readonly commit: string | undefined;
    /** Bytes; `undefined` if nothing was written. */
    readonly size: number | undefined;
  };
  /** A built artifact was put into the store. */
  readonly store: {
    /** `superseded`: another process has stored a newer version meanwhile, which stays. */
    readonly outcome: 'stored' | 'superseded';
    readonly etag: string;
    /** Bytes. */
    readonly size: number;
  };
  /** Packs of a mirror were combined, or its objects were checked. */
  readonly repack: {
    /**
     * `pruned`: as `combined`, without unreachable objects. `checked`: the mirror lacks no object.
     * `superseded`: the mirror changed meanwhile, so the result was dropped.
     */
    readonly outcome: 'combined' | 'pruned' | 'checked' | 'superseded';
    /** Packs that the mirror now has. */
    readonly packs: number;
  };
}

/** Kinds of background work: see `JobResults`. */
export type JobKind = keyof JobResults;

/** The properties of all events of a job. */
export interface JobInfo<Kind extends JobKind = JobKind> {
  /** The same in all events of the job. Unique among all processes. */
  readonly id: string;
  readonly kind: Kind;
  readonly repository: RepositoryId;
  /** The artifact that is built or stored. */
  readonly artifact: Kind extends 'build' | 'store' ? ArtifactId : undefined;
  /** Milliseconds for which the job waited in the queue. */
  readonly queuedMs: number;
}

/** A job has left its queue. */
export type JobStartedEvent = { [Kind in JobKind]: JobInfo<Kind> }[JobKind];

/** About once for each MiB that is fetched, and when the upstream sends a message. */
export type JobProgressEvent = {
  [Kind in 'clone' | 'fetch']: JobInfo<Kind> & { readonly progress: FetchProgress };
}['clone' | 'fetch'];

/** `error` is `undefined` if the job succeeded. Only then there are results, which depend on `kind`. */
export type JobEndedEvent = { [Kind in JobKind]: JobEnd<Kind> }[JobKind];

export type JobEnd<Kind extends JobKind> = JobInfo<Kind> & {
  /** Milliseconds from `jobStarted` to `jobEnded`. */
  readonly durationMs: number;
} & (Success<Kind> | Failure<Kind>);

type Success<Kind extends JobKind> = { readonly error: undefined } & JobResults[Kind];

type Failure<Kind extends JobKind> = { readonly error: SnapshotError } & {
  readonly [Property in keyof JobResults[Kind]]?: undefined;
};
