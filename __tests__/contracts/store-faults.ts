/** The faults of a `FaultyStore`, one at a time, and the tests that have to catch each. */
export const STORE_FAULTS = {
  'throws on a miss': ['a key under which nothing was stored is a miss'],
  'describes an object without its size': ['commit, stat, open and list describe an object alike'],
  'gives times in seconds': ['commit, stat, open and list describe an object alike'],
  'takes no bytes for no object': ['an object of no bytes is an object'],
  'keeps only the first MiB': ['an object of several MiB is read as it was written'],
  'takes the end of a range as exclusive': [
    'a range gives the first byte and describes the whole',
    'a range gives the last byte and describes the whole',
    'a range gives the whole object and describes the whole',
  ],
  'starts ranges one byte late': ['a range gives the bytes around 64 KiB and describes the whole'],
  'ignores ranges': ['a range gives bytes up to the end and describes the whole'],
  'describes a range rather than the whole': [
    'a range gives the first byte and describes the whole',
  ],
  'clamps ranges': [
    'a range outside the object throws a RangeError',
    'an object of no bytes has no range',
  ],
  'gives each answer a new revision': ['open returns the requested revision'],
  'ignores the revision asked for': ['open returns nothing if another revision is stored'],
  'names a revision after its bytes': ['equal bytes stored again are another revision'],
  'mixes revisions': [
    'a body that is being read keeps its revision when the object is replaced',
    'adopt replaces what is stored, and bodies that are being read keep their revision',
  ],
  'reads what is stored when the first byte is asked for': [
    'a body that was opened before a replacement is of one revision',
  ],
  'ends bodies when the object is deleted': [
    'a body that is being read is not disturbed by delete',
  ],
  'has one position for all bodies': ['bodies of one object are independent'],
  'gives out its own memory': ['a reader that changes its chunks does not change the object'],
  'ignores signals that have aborted': [
    'stat and open reject when their signal has aborted',
    'create rejects when its signal has aborted',
  ],
  'ignores signals that abort later': [
    'a body is destroyed when its signal aborts',
    'a signal that aborts aborts the write',
  ],
  'aborts after commit when the signal does': ['a signal that aborts after commit changes nothing'],
  'shows an object before commit': ['an object is not readable before commit'],
  'removes the old object when a write begins': [
    'an unfinished write leaves the stored object',
    'a write that was not committed is not seen after a restart',
  ],
  'puts chunks in a wrong order': ['chunks of any size are kept in their order'],
  'keeps chunks that belong to the caller': ['a chunk may be used again once write resolved'],
  'keeps metadata that belong to the caller': ['metadata is what it was when create was called'],
  'commits what is aborted': [
    'an aborted write leaves nothing',
    'an aborted write leaves the object that was stored before',
  ],
  'deletes the key on abort': [
    'an aborted write leaves the object that was stored before',
    'abort after commit does nothing',
  ],
  'throws on a second abort': ['abort is idempotent'],
  'goes on after commit': [
    'a second commit rejects and changes nothing',
    'write after commit rejects and changes nothing',
  ],
  'goes on after abort': ['write and commit after abort reject and store nothing'],
  'shares one buffer among the writers of a key': [
    'the last commit of two writes under one key is stored',
  ],
  'keeps the metadata of the first revision': ['a replaced object is new in all its parts'],
  'does not delete': ['delete removes the object'],
  'throws when there is nothing to delete': ['delete is idempotent'],
  'deletes by prefix': ['delete removes nothing else'],
  'never stores a deleted key again': ['a deleted key can be stored again'],
  'forgets metadata': [
    'a replaced object is new in all its parts',
    'metadata is given back exactly: an empty value',
  ],
  'adds metadata': ['metadata is given back exactly: none'],
  'drops empty metadata': ['metadata is given back exactly: an empty value'],
  'trims metadata': ['metadata is given back exactly: white space and control characters'],
  'normalizes metadata': ['metadata is given back exactly: unicode, in either form'],
  'lower-cases metadata names': ['metadata is given back exactly: names that differ in case'],
  'shortens metadata': ['metadata is given back exactly: long values'],
  'unescapes metadata': ['metadata is given back exactly: quotes, escapes and separators'],
  'replaces its fields by metadata': ['metadata is given back exactly: names of our own fields'],
  'lower-cases keys': ['different keys are different objects'],
  'decodes keys': ['a key that only looks like a stored one is a miss'],
  'normalizes keys': ['different keys are different objects'],
  'resolves keys as paths': ['different keys are different objects'],
  'shortens keys': ['different keys are different objects'],
  'lists encoded keys': ['list returns every key exactly as it was stored'],
  'lists whatever the prefix': [
    'list returns the objects whose keys begin with the prefix, and no others',
  ],
  'takes the prefix for a folder': [
    'list returns the objects whose keys begin with the prefix, and no others',
  ],
  'declares adopt without having it': ['the store has adopt exactly if it declares it'],
  'leaves the adopted file': ['adopt makes a file an object, and the file is gone'],
  'refuses files of no bytes': ['adopt takes a file of no bytes'],
  'adopts what is no longer wanted': [
    'adopt rejects when its signal has aborted, and leaves the file',
  ],
  'truncates the adopted file': ['a reader that has the file open goes on reading its bytes'],
  'removes the old object before it adopts': [
    'adopt of a missing file rejects and leaves the stored object',
  ],
  'is empty after a restart': ['a persistent store has its objects after a restart'],
  'cannot be reopened': ['a persistent store has its objects after a restart'],
  'takes every object for expendable': ['an object is not expendable by default'],
  'forgets ranks': ['a store with ranks describes an expendable object as expendable'],
  'lists without ranks': ['a store with ranks describes an expendable object as expendable'],
  'keeps the rank of the first revision': ['a replaced object has the rank of the new one'],
  'adopts without a rank': ['an adopted object has the requested rank'],
  'forgets ranks at a restart': ['a rank survives a restart'],
  'makes room whatever the rank': [
    'only expendable objects are evicted for an expendable object',
    'an expendable object without room is committed but not kept',
  ],
  'rejects what it has no room for': [
    'an expendable object without room is committed but not kept',
    'an expendable object without room removes the object that it replaces',
  ],
  'keeps what was to be replaced when there is no room': [
    'an expendable object without room removes the object that it replaces',
  ],
  'makes room by the first rank of a key': [
    'an object that became expendable may be evicted for an expendable one',
    'an object that is no longer expendable is not evicted for an expendable one',
  ],
  'makes room by expendable objects only': [
    'any object may be evicted for an object that is not expendable',
  ],
  'refuses what replaces nothing': [
    'a write in place of nothing commits if nothing is stored',
    'one of several writes in place of nothing commits',
  ],
  'refuses what replaces a revision': [
    'a write in place of a revision commits if that revision is stored',
    'one of several writes in place of one revision commits',
  ],
  'replaces whatever is stored': [
    'a write in place of nothing is refused if an object is stored',
    'a write in place of a revision is refused if another one is stored',
    'a write in place of a revision is refused if nothing is stored',
    'one of several writes in place of nothing commits',
    'one of several writes in place of one revision commits',
    'adopt is refused like any write, and leaves the file',
  ],
  'takes nothing for what was to be replaced': [
    'a write in place of a revision is refused if nothing is stored',
  ],
  'takes equal bytes for what was to be replaced': [
    'another revision with equal bytes does not meet the condition',
  ],
  'looks at what is stored when a write begins': [
    'a condition is checked when the write commits, not when it begins',
    'one of several writes in place of one revision commits',
  ],
  'removes what is stored when it refuses': [
    'a write in place of nothing is refused if an object is stored',
    'a write in place of a revision is refused if another one is stored',
  ],
  'commits what was refused': ['a refused write has ended, and has no effect on others'],
  'removes the file that it refuses': ['adopt is refused like any write, and leaves the file'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type StoreFault = keyof typeof STORE_FAULTS;
