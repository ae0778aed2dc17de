import { readFileSync } from 'node:fs';
import { AttributeSteps } from '../../checkout/attribute-steps.js';
import { AttributeRules, type Attributes } from '../../checkout/attributes.js';
import { convertToWorkingTree, needsConversion } from '../../checkout/convert.js';
import { FileMode } from '../../checkout/git-index.js';
import { isNoFile } from '../../fs/errors.js';
import type { ConfigFile } from '../../git/config-file.js';
import { ObjectType } from '../../git/object.js';
import type { Place } from '../file-system.js';
import { MAX_ATTRIBUTE_STEPS, UPDATE_LIMITS } from './limits.js';
import type { LocalObjects } from './local-objects.js';
import type { TreeFile } from './tree-changes.js';

interface FileContentOptions {
  readonly objects: LocalObjects;
  readonly config: ConfigFile;
  /** The places of paths in the working tree. */
  readonly place: (path: string) => Place;
  /** `.git/info/attributes`. */
  readonly ownAttributes: Place;
}

/**
 * Converts blobs to files, with the attributes of one state of the index: from its `.gitattributes`,
 * else from the working tree's; from `.git/info/attributes`; and with `core.autocrlf` and `core.eol`
 * of the checkout's own config. Filters do nothing.
 */
export class FileContent {
  readonly #options: FileContentOptions;
  readonly #files: ReadonlyMap<string, TreeFile>;
  readonly #own: Buffer | undefined;
  /** By directory, without `.git/info/attributes`, and with it. */
  readonly #rules = new Map<string, AttributeRules>();
  readonly #allRules = new Map<string, AttributeRules>();

  /** @param files the index. */
  constructor(files: ReadonlyMap<string, TreeFile>, options: FileContentOptions) {
    this.#options = options;
    this.#files = files;
    this.#own = readIfThere(options.ownAttributes);
    const builtIn = AttributeRules.builtIn(new AttributeSteps(MAX_ATTRIBUTE_STEPS));
    this.#rules.set('', this.#withFileOf('', builtIn));
  }

  /** The file's whole content. For a symlink: its target. */
  read(path: string, { mode, oid }: TreeFile): Buffer {
    const blob = this.#options.objects.readTyped(oid, ObjectType.blob);
    if (mode === FileMode.symlink) return blob;
    const attributes = this.#attributesOf(path);
    const { maxObjectBytesInMemory } = UPDATE_LIMITS;
    return convertToWorkingTree(blob, attributes, oid, maxObjectBytesInMemory);
  }

  /** A large file in pieces; `undefined`: read it as a whole. */
  stream(path: string, { mode, oid }: TreeFile): AsyncIterable<Buffer> | undefined {
    if (mode === FileMode.symlink || needsConversion(this.#attributesOf(path))) return undefined;
    return this.#options.objects.stream(oid);
  }

  #attributesOf(path: string): Attributes {
    const directory = path.slice(0, path.lastIndexOf('/') + 1);
    const own = this.#own;
    let rules = this.#allRules.get(directory) ?? this.#rulesOf(directory);
    if (own !== undefined && !this.#allRules.has(directory)) rules = rules.child('', own);
    this.#allRules.set(directory, rules);
    return withLineEnds(rules.lookup(path), this.#options.config);
  }

  #rulesOf(directory: string): AttributeRules {
    const known = this.#rules.get(directory);
    if (known !== undefined) return known;
    const parent = directory.slice(0, directory.lastIndexOf('/', directory.length - 2) + 1);
    const rules = this.#withFileOf(directory, this.#rulesOf(parent));
    this.#rules.set(directory, rules);
    return rules;
  }

  #withFileOf(directory: string, above: AttributeRules): AttributeRules {
    const path = `${directory}.gitattributes`;
    const indexed = this.#files.get(path);
    const { objects, place } = this.#options;
    const blob =
      indexed === undefined
        ? readIfThere(place(path))
        : indexed.mode === FileMode.gitlink
          ? undefined
          : objects.readTyped(indexed.oid, ObjectType.blob);
    return blob === undefined ? above : above.child(directory, blob);
  }
}

/** What git takes for files whose attributes do not say it: git-config(1), `core.autocrlf`. */
function withLineEnds(attributes: Attributes, config: ConfigFile): Attributes {
  const isAuto = config.boolean('core.autocrlf', false);
  const isCrlf = isAuto || config.text('core.eol')?.toLowerCase() === 'crlf';
  if (!isCrlf || config.text('core.autocrlf')?.toLowerCase() === 'input') return attributes;
  const said = attributes.get('text') ?? attributes.get('crlf');
  const eol = attributes.get('eol');
  if (said === false || said === 'input' || eol === 'lf' || eol === 'crlf') return attributes;
  if (said === undefined && !isAuto) return attributes;
  const text = said === undefined ? 'auto' : said;
  return new Map([...attributes, ['text', text], ['eol', 'crlf']]);
}

function readIfThere(place: Place): Buffer | undefined {
  try {
    return readFileSync(place);
  } catch (error) {
    if (isNoFile(error)) return undefined;
    throw error;
  }
}
