const MARGIN = '   ';
const LABEL_WIDTH = 14;
const NUMBER_WIDTH = 11;
const MAX_WIDTH = 100;
/** Milliseconds between two lines of progress on a terminal. */
const PROGRESS_INTERVAL = 100;
/** Parts of a block, from an eighth to all of it. */
const BLOCKS = '▏▎▍▌▋▊▉█';

/**
 * Writes titles, texts and bars. A terminal also gets colours, unless `NO_COLOR` is set, and a line
 * that shows the progress. A log gets neither, and no bars.
 */
export function createReport(stream) {
  const isTerminal = stream.isTTY === true;
  const width = Math.min(stream.columns || MAX_WIDTH, MAX_WIDTH) - 1;
  const style = (code, text) =>
    isTerminal && !process.env.NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text;
  let describe;
  let isShown = false;
  const timer = isTerminal ? setInterval(showProgress, PROGRESS_INTERVAL) : undefined;

  function showProgress() {
    if (describe === undefined) return;
    stream.write(`\r\x1b[K${style(2, `${MARGIN}… ${describe()}`.slice(0, width))}`);
    isShown = true;
  }

  function clearProgress() {
    if (isShown) stream.write('\r\x1b[K');
    isShown = false;
    describe = undefined;
  }

  function line(text) {
    clearProgress();
    stream.write(`${text}\n`);
  }

  function bar(share, room, colour) {
    if (!isTerminal || room < 1) return '';
    const eighths = Math.max(1, Math.round(share * room * BLOCKS.length));
    const rest = eighths % BLOCKS.length;
    const whole = BLOCKS.at(-1).repeat(Math.floor(eighths / BLOCKS.length));
    return style(colour, `  ${whole}${rest === 0 ? '' : BLOCKS[rest - 1]}`);
  }

  return {
    title: (text) => line(`\n${style(1, wrap(text, width, ''))}`),
    text: (text) => line(wrap(text, width, '')),
    note: (text) => line(style(2, wrap(text, width, MARGIN))),

    /**
     * Writes lines of a label, numbers and a bar.
     *
     * @param {{ label: string, numbers: string[], length: number }[]} rows `length` in any unit, or
     *   NaN for a row without a bar.
     */
    bars(rows) {
      const longest = Math.max(...rows.map(({ length }) => length || 0)) || 1;
      for (const [i, { label, numbers, length }] of rows.entries()) {
        const columns = numbers.map((text) => text.padStart(NUMBER_WIDTH)).join('');
        const start = `${MARGIN}${label.padEnd(LABEL_WIDTH)}${columns}`;
        const room = width - start.length - 2;
        line(start + (Number.isNaN(length) ? '' : bar(length / longest, room, 33 - i)));
      }
    },

    /** Shows the progress until the next line. `text` makes the text at each moment. */
    progress(text) {
      describe = text;
    },

    /** Stops the progress. Idempotent. */
    close() {
      clearInterval(timer);
      clearProgress();
    },
  };
}

export function formatBytes(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function formatSeconds(seconds) {
  return `${seconds.toFixed(2)} s`;
}

function wrap(text, width, margin) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)}${lines.at(-1) === '' ? margin : ' '}${word}`;
    if (longer.length > width && lines.at(-1) !== '') lines.push(margin + word);
    else lines[lines.length - 1] = longer;
  }
  return lines.join('\n');
}
