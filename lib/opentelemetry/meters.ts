import {
  type BatchObservableResult,
  type Counter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
  type ObservableUpDownCounter,
} from '@opentelemetry/api';
import { type AttributesOf, METRICS, type MetricsOf } from './metrics.js';

/** The name of this package as a scope of metrics and spans. */
export const SCOPE = 'express-git-snapshot';

export type Observe = <Name extends MetricsOf<'state'>>(
  name: Name,
  value: number,
  attributes: AttributesOf<Name>,
) => void;

/** Creates the instruments of metrics. They take only the attributes that `METRICS` has. */
export class Meters {
  readonly #meter: Meter;

  constructor(provider: MeterProvider = metrics.getMeterProvider()) {
    this.#meter = provider.getMeter(SCOPE);
  }

  histogram<Name extends MetricsOf<'histogram'>>(name: Name): Histogram<AttributesOf<Name>> {
    const { unit, description, boundaries } = METRICS[name];
    const advice = { explicitBucketBoundaries: [...boundaries] };
    return this.#meter.createHistogram(name, { unit, description, advice });
  }

  counter<Name extends MetricsOf<'counter'>>(name: Name): Counter<AttributesOf<Name>> {
    const { unit, description } = METRICS[name];
    return this.#meter.createCounter(name, { unit, description });
  }

  /**
   * Reads states whenever the metrics are collected.
   *
   * @returns a function that ends this.
   */
  observe(
    names: readonly MetricsOf<'state'>[],
    read: (observe: Observe) => void | Promise<void>,
  ): () => void {
    const instruments = new Map<string, Observable>(names.map((name) => [name, this.#state(name)]));
    const observables = [...instruments.values()];
    const collect = (result: BatchObservableResult) =>
      read((name, value, attributes) => {
        const instrument = instruments.get(name);
        if (instrument !== undefined) result.observe(instrument, value, attributes);
      });
    this.#meter.addBatchObservableCallback(collect, observables);
    return () => this.#meter.removeBatchObservableCallback(collect, observables);
  }

  #state(name: MetricsOf<'state'>): ObservableUpDownCounter {
    const { unit, description } = METRICS[name];
    return this.#meter.createObservableUpDownCounter(name, { unit, description });
  }
}
