/** The faults of a `FaultyStore`, one at a time, and the tests that have to catch each. */
export const STORE_FAULTS = {
  'throws on a miss': ['a key under which nothing was stored is a miss'],
  'describes an object without its size': ['put, stat, open and list describe an object alike'],
  'gives times in seconds': ['put, stat, open and list describe an object alike'],
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
  'gives each answer a new revision': ['open returns the requested revision'],
  'ignores the revision asked for': ['open returns nothing if another revision is stored'],
  'names a revision after its bytes': ['equal bytes stored again are another revision'],
  'mixes revisions': [
    'a body that is being read keeps its revision when the object is replaced',
    'putFile replaces what is stored, and bodies that are being read keep their revision',
  ],
  'reads what is stored when the first byte is asked for': [
    'a body that was opened before a replacement is of one revision',
  ],
  'ends bodies when the object is deleted': [
    'a body that is being read is not disturbed by delete',
  ],
  'has one position for all bodies': ['bodies of one object are independent'],
  'gives out its own memory': ['a reader that changes its chunks does not change the object'],
  'rejects with an error of its own': [
    'a write whose body fails rejects with its error, and leaves nothing',
    'put rejects with the reason of a signal that has aborted',
  ],
  'ignores signals that abort later': [
    'a body is destroyed when its signal aborts',
    'a signal that aborts during the write ends it and its body',
    'a signal that aborts at the end of the body ends the write',
  ],
  'ignores signals that abort at the end': [
    'a signal that aborts at the end of the body ends the write',
  ],
  'does not end bodies': ['a signal that aborts during the write ends it and its body'],
  'deletes what is stored when the signal aborts': [
    'a signal that aborts after the write changes nothing',
  ],
  'shows an object before its last byte': [
    'an object is not readable before its last byte is stored',
  ],
  'removes the old object when a write begins': [
    'an unfinished write leaves the stored object',
    'an unfinished write is not seen after a restart',
  ],
  'puts chunks in a wrong order': ['chunks of any size are kept in their order'],
  'keeps chunks that belong to the caller': [
    'a chunk may be used again when the store asks for the next one',
  ],
  'keeps metadata that belong to the caller': ['metadata is what it was when put was called'],
  'stores what it got when a write fails': [
    'a write whose body fails rejects with its error, and leaves nothing',
    'a write whose body fails leaves the object that was stored before',
  ],
  'deletes the key when a write fails': [
    'a write whose body fails leaves the object that was stored before',
  ],
  'shares one buffer among the writers of a key': [
    'the last of two writes under one key to end is stored',
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
  'leaves the file': ['putFile makes a file an object, and the file is gone'],
  'refuses files of no bytes': ['putFile takes a file of no bytes'],
  'takes a file that is no longer wanted': [
    'putFile rejects when its signal has aborted, and leaves the file',
  ],
  'truncates the file': ['a reader that has the file open goes on reading its bytes'],
  'removes the old object before it takes a file': [
    'putFile of a missing file rejects and leaves the stored object',
  ],
  'is empty after a restart': ['a persistent store has its objects after a restart'],
  'gives every object low priority': ['an object has normal priority by default'],
  'forgets priorities': ['a store with priorities describes them'],
  'lists without priorities': ['a store with priorities describes them'],
  'keeps the priority of the first revision': ['a replaced object has the priority of the new one'],
  'takes files without a priority': ['putFile gives the requested priority'],
  'forgets priorities at a restart': ['a priority survives a restart'],
  'makes room whatever the priority': [
    'only objects of low priority are evicted for one of low priority',
    'an object of low priority without room is not kept',
  ],
  'rejects what it has no room for': [
    'an object of low priority without room is not kept',
    'an object of low priority without room removes the object that it replaces',
  ],
  'keeps what was to be replaced when there is no room': [
    'an object of low priority without room removes the object that it replaces',
  ],
  'makes room by the first priority of a key': [
    'an object whose priority became low may be evicted for one of low priority',
    'an object whose priority is no longer low is not evicted for one of low priority',
  ],
  'makes room by objects of low priority only': [
    'any object may be evicted for one of normal priority',
  ],
  'refuses what replaces nothing': [
    'a write in place of nothing succeeds if nothing is stored',
    'one of several writes in place of nothing succeeds',
  ],
  'refuses what replaces a revision': [
    'a write in place of a revision succeeds if that revision is stored',
    'one of several writes in place of one revision succeeds',
  ],
  'replaces whatever is stored': [
    'a write in place of nothing is refused if an object is stored',
    'a write in place of a revision is refused if another one is stored',
    'a write in place of a revision is refused if nothing is stored',
    'one of several writes in place of nothing succeeds',
    'one of several writes in place of one revision succeeds',
    'putFile is refused like any write, and leaves the file',
  ],
  'takes nothing for what was to be replaced': [
    'a write in place of a revision is refused if nothing is stored',
  ],
  'takes equal bytes for what was to be replaced': [
    'another revision with equal bytes does not meet the condition',
  ],
  'knows only what it stored itself': [
    'a condition is about what any instance has stored',
    'one of several writes by two instances in place of nothing succeeds',
  ],
  'looks at what is stored when a write begins': [
    'a condition is checked when the object is published',
    'one of several writes in place of one revision succeeds',
  ],
  'removes what is stored when it refuses': [
    'a write in place of nothing is refused if an object is stored',
    'a write in place of a revision is refused if another one is stored',
  ],
  'removes the file that it refuses': ['putFile is refused like any write, and leaves the file'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type StoreFault = keyof typeof STORE_FAULTS;
