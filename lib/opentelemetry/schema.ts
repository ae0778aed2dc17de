import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { z } from 'zod';
import { callback, checkOptions, methods, milliseconds } from '../check-options.js';
import type { RepositoryId } from '../repository.js';
import type { InstrumentOptions, InstrumentStoreOptions } from './options.js';

const optionsSchema = z.strictObject({
  meterProvider: methods<MeterProvider>(['getMeter'], 'a MeterProvider').optional(),
  tracerProvider: methods<TracerProvider>(['getTracer'], 'a TracerProvider').optional(),
  perRepository: z
    .union([z.boolean(), callback<(repository: RepositoryId) => boolean>()])
    .default(false),
});

const storeOptionsSchema = optionsSchema.extend({
  name: z.string().min(1).default('store'),
  countInterval: milliseconds.optional(),
});

export type InstrumentConfig = z.output<typeof optionsSchema>;
export type InstrumentStoreConfig = z.output<typeof storeOptionsSchema>;

/** @throws SnapshotError `INVALID_OPTIONS` */
export function parseInstrumentOptions(options: InstrumentOptions): InstrumentConfig {
  return checkOptions(optionsSchema, options, 'OpenTelemetry');
}

/** @throws SnapshotError `INVALID_OPTIONS` */
export function parseInstrumentStoreOptions(
  options: InstrumentStoreOptions,
): InstrumentStoreConfig {
  return checkOptions(storeOptionsSchema, options, 'instrumentStore');
}
