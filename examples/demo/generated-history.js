const SYLLABLES = 'ba co di fe gu ha je ko li mo nu pa re si to vu'.split(' ');
const FIRST_COMMIT = 1_700_000_000;
const FILES_PER_DIRECTORY = 50;

/**
 * The history of a made-up project for git-fast-import(1): text files that grow and change as source
 * code does. The same numbers give the same history.
 */
export function* generatedHistory({ commits, files, seed }) {
  const random = randomNumbers(seed);
  const syllable = () => SYLLABLES[random(SYLLABLES.length)];
  const word = () => Array.from({ length: 2 + random(2) }, syllable).join('');
  const line = () => Array.from({ length: 8 }, word).join(' ');
  const project = [];
  for (let i = 0; i < commits; i++) {
    const changed = new Set();
    // The first half of the history adds all files.
    while (project.length < Math.min(files, (2 * files * (i + 1)) / commits)) {
      const path = `src/part-${Math.floor(project.length / FILES_PER_DIRECTORY)}/file-${project.length}.txt`;
      const file = { path, lines: Array.from({ length: 20 + random(600) }, line) };
      project.push(file);
      changed.add(file);
    }
    const edited = project[random(project.length)];
    edited.lines.splice(random(edited.lines.length), random(2), line());
    changed.add(edited);
    yield commit(FIRST_COMMIT + 60 * i, line(), changed);
  }
  yield 'done\n';
}

/** One commit more. */
export function* pushedCommit() {
  const file = { path: 'src/pushed.txt', lines: ['a new file'] };
  yield commit(FIRST_COMMIT, 'A push', [file], 'refs/heads/main^0');
  yield 'done\n';
}

function commit(time, message, changed, parent) {
  return [
    'commit refs/heads/main',
    `committer Demo <demo@example.com> ${time} +0000`,
    data(message),
    ...(parent === undefined ? [] : [`from ${parent}`]),
    ...[...changed].map(({ path, lines }) => `M 100644 inline ${path}\n${data(lines.join('\n'))}`),
    '',
  ].join('\n');
}

function data(text) {
  return `data ${text.length + 1}\n${text}\n`;
}

/** Numbers below a bound, by the generator mulberry32. */
function randomNumbers(seed) {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}
