import { isMetric, METRICS, type Metric } from '../measure/metrics.js';
import type { Result, SideResult } from '../measure/result.js';
import type { Spread } from '../measure/spread.js';
import type { Machine } from './machine.js';
import type { Report } from './report.js';
import { table } from './table.js';

/** The report for people: medians, in parentheses the lowest and the highest run. */
export function reportText({ machine, results, fits }: Report): string {
  const parts = [machineText(machine), ...results.map(resultText)];
  if (fits.length > 0) {
    const rows = fits.map((fit) => [
      `${fit.of}, ${fit.side}`,
      fit.exponentOverObjects.toFixed(2),
      fit.exponentOverBytes.toFixed(2),
    ]);
    parts.push(table([['time ~ size ^ exponent', 'objects', 'pack bytes'], ...rows]));
  }
  return `${parts.join('\n\n')}\n`;
}

function machineText({ cores, cpu, memoryGigabytes, os, node, ...programs }: Machine): string {
  return [
    `${cores} cores, ${cpu}, ${memoryGigabytes} GB, ${os}, Node ${node}`,
    Object.values(programs).join(', '),
  ].join('\n');
}

function resultText(result: Result): string {
  const { name, objects, packBytes } = result.repository;
  const size = `${objects} objects, ${(packBytes / 1e6).toFixed(1)} MB`;
  const variant = result.variant === undefined ? '' : `, ${result.variant}`;
  const title = `${result.case}: ${name} (${size})${variant}, rounds: ${result.rounds}`;
  const metrics = Object.keys(result.sides[0]?.metrics ?? {}).filter(isMetric);
  const rows = result.sides.flatMap((side) => [
    [side.name, ...metrics.map((metric) => spreadText(side.metrics[metric]))],
    ...ratioRow(side, metrics, result.reference),
  ]);
  return `${title}\n${table([['', ...metrics.map((metric) => METRICS[metric])], ...rows])}`;
}

function ratioRow(side: SideResult, metrics: Metric[], reference: string | undefined): string[][] {
  if (Object.keys(side.ratios).length === 0) return [];
  const ratios = metrics.map((metric) => {
    const ratio = side.ratios[metric];
    return ratio === undefined ? '' : `× ${significant(ratio)}`;
  });
  return [[`  of ${reference}`, ...ratios]];
}

function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return '';
  const { median, min, max, runs } = spread;
  if (runs.length === 1) return significant(median);
  return `${significant(median)} (${significant(min)}–${significant(max)})`;
}

/** Three digits that mean something, or all before the point. */
function significant(value: number): string {
  if (value === 0) return '0';
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(Math.max(digits, 0), 4));
}
