const LABEL_WIDTH = 22;
const TIME_WIDTH = 9;
const SIZE_WIDTH = 11;
/** Milliseconds between two looks at the progress: on a terminal, and in a log. */
const TERMINAL_INTERVAL = 100;
const LOG_INTERVAL = 2000;

/**
 * Writes a table line by line. What goes on meanwhile is shown in one more line that changes, or in a
 * log, which can't change, in a line every two seconds.
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

    /** What was measured: `seconds`, and `receivedBytes` if they were counted. */
    measured(label, { seconds, receivedBytes }, detail) {
      const time = formatSeconds(seconds).padStart(TIME_WIDTH);
      const size = receivedBytes === undefined ? '' : formatBytes(receivedBytes);
      line(
        `  ${label.padEnd(LABEL_WIDTH)}${bold(time)}${size.padStart(SIZE_WIDTH)}   ${dim(detail)}`,
      );
    },

    /** What was found out. */
    found: (label, text) => line(`  ${label.padEnd(LABEL_WIDTH)}   ${text}`),

    /** What is being done. */
    progress(text) {
      progress = `  … ${text}`;
    },

    /** Idempotent. */
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
