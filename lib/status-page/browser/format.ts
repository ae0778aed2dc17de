const NUMBER = new Intl.NumberFormat('en');
const DATE = new Intl.DateTimeFormat('en', {
  dateStyle: 'medium',
  timeStyle: 'short',
  hourCycle: 'h23',
});
const PERIODS = [
  ['s', 1_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
] as const;

export function count(value: number): string {
  return NUMBER.format(value);
}

/** `1 repository`, `2 repositories`. */
export function counted(value: number, one: string, many: string): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `12 s`, `3 min`, `5 h`, `2 d`. */
export function duration(milliseconds: number): string {
  const positive = Math.max(0, milliseconds);
  const [unit, size] = PERIODS.findLast(([, each]) => positive >= each) ?? PERIODS[0];
  return `${count(Math.floor(positive / size))} ${unit}`;
}

export function date(time: number): string {
  return DATE.format(time);
}

/**
 * Characters that are invisible, or change the order of the text around them: they would let one
 * repository look like another.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu;

/** The text, with escapes for hidden characters: `\u{202e}`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (hidden) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`);
}
