import { join } from 'node:path';
import { AttributeRules, type Attributes } from '../../lib/checkout/attributes.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { run, runBinary } from '../support/run.js';

export interface Case {
  /** Contents of `.gitattributes` by directory, which is empty or ends with a slash. Latin1. */
  readonly files: Readonly<Record<string, string>>;
  /** Latin1. */
  readonly paths: readonly string[];
}

export const NAMES = ['text', 'crlf', 'eol', 'ident', 'working-tree-encoding'] as const;

/** git's words for each attribute, in the order of `NAMES`. */
function inGitsWords(attributes: Attributes): string {
  const values = NAMES.map((name) => {
    const value = attributes.get(name);
    if (typeof value === 'boolean') return value ? 'set' : 'unset';
    return value ?? 'unspecified';
  });
  return values.join(' ');
}

function ourAnswers({ files, paths }: Case): string[] {
  const child = (rules: AttributeRules, place: string) => {
    const content = files[place];
    return content === undefined ? rules : rules.child(place, Buffer.from(content, 'latin1'));
  };
  return paths.map((path) => {
    let rules = child(AttributeRules.builtIn(), '');
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      rules = child(rules, path.slice(0, slash + 1));
    }
    return inGitsWords(rules.lookup(path));
  });
}

/** git's answer for a checkout: by the attributes in the index, not in a working tree. */
async function gitsAnswers(cases: readonly Case[], directory: string): Promise<string[][]> {
  const builder = await RepositoryBuilder.create(join(directory, 'repository'));
  const cwd = builder.directory;
  cases.forEach(({ files }, i) => {
    const entries = Object.entries(files).map(([place, content]) => [
      `${place}.gitattributes`,
      Buffer.from(content, 'latin1'),
    ]);
    builder.commit({ branch: `case-${i}`, files: Object.fromEntries(entries) });
  });
  await builder.finish();
  const answers: string[][] = [];
  for (const [i, { paths }] of cases.entries()) {
    await run('git', ['read-tree', `case-${i}`], { cwd });
    const input = Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1');
    const args = ['check-attr', '--cached', '-z', '--stdin', ...NAMES];
    const fields = (await runBinary('git', args, { cwd, input })).toString('latin1').split('\0');
    const value = (path: number, name: number) => fields[(path * NAMES.length + name) * 3 + 2];
    answers.push(paths.map((_, path) => NAMES.map((_, name) => value(path, name)).join(' ')));
  }
  return answers;
}

/**
 * Compares the answers of `AttributeRules` with those of git.
 *
 * @returns git's answers, without repetitions.
 */
export async function expectAgreement(
  cases: readonly Case[],
  directory: string,
): Promise<Set<string>> {
  const answers = await gitsAnswers(cases, directory);
  cases.forEach((one, i) => {
    const label = (answer: string, j: number) => `${one.paths[j]}: ${answer}`;
    const expected = [one.files, answers[i]?.map(label)];
    expect([one.files, ourAnswers(one).map(label)]).toEqual(expected);
  });
  return new Set(answers.flat());
}
