const LABEL_WIDTH = 22;
const TIME_WIDTH = 9;
const SIZE_WIDTH = 11;
/** Milliseconds between two lines of progress: on a terminal, and in a log. */
const TERMINAL_INTERVAL = 100;
const LOG_INTERVAL = 2000;

/**
 * Writes a table line by line. On a terminal, one more line shows the progress, and changes; a log
 * gets a new line every two seconds.
 */
export function createReport(stream) {
  const isTerminal = stream.isTTY === true;
  const style = (code, text) =>
    isTerminal && !process.env.NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text;
  const bold = (text) => style(1, text);
  const dim = (text) => style(2, text);
  let progress = '';
  let shown = '';
  const timer = setInterval(showProgress, isTerminal ? TERMINAL_INTERVAL : LOG_INTERVAL);

  function showProgress() {
    if (progress === shown) return;
    shown = progress;
    if (isTerminal) stream.write(`\r\x1b[K${dim(progress.slice(0, (stream.columns || 80) - 1))}`);
    else stream.write(`${progress}\n`);
  }

  function line(text) {
    if (isTerminal && shown !== '') stream.write('\r\x1b[K');
    stream.write(`${text}\n`);
    progress = shown = '';
    timer.refresh();
  }

  return {
    title: (text) => line(`\n${bold(text)}`),
    note: (text) => line(dim(text)),

    /** Writes a measurement: `seconds`, and `receivedBytes` if they were counted. */
    measured(label, { seconds, receivedBytes }, detail) {
      const time = formatSeconds(seconds).padStart(TIME_WIDTH);
      const size = receivedBytes === undefined ? '' : formatBytes(receivedBytes);
      line(
        `  ${label.padEnd(LABEL_WIDTH)}${bold(time)}${size.padStart(SIZE_WIDTH)}   ${dim(detail)}`,
      );
    },

    /** Writes a result. */
    found: (label, text) => line(`  ${label.padEnd(LABEL_WIDTH)}   ${text}`),

    /** Shows the current step. */
    progress(text) {
      progress = `  … ${text}`;
    },

    /** Stops the progress. Idempotent. */
    close() {
      clearInterval(timer);
      if (isTerminal && shown !== '') stream.write('\r\x1b[K');
      shown = '';
    },
  };
}

export function formatBytes(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function formatSeconds(seconds) {
  return `${seconds.toFixed(seconds < 0.1 ? 3 : 2)} s`;
}
