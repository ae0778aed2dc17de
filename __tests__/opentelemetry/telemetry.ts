import { context, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  type DataPoint,
  type Histogram,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { RequestHandler } from 'express';
import type { Cleanup } from '../support/temporary-directory.js';

/** A value of a metric, with its attributes without their prefix. Of a histogram: count and sum. */
export interface Value {
  readonly attributes: Record<string, unknown>;
  readonly value: number;
  readonly sum?: number | undefined;
}

class OnDemandReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** Metrics and spans in memory. The context is that of the process, until the end of the test. */
export class Telemetry {
  readonly meterProvider: MeterProvider;
  readonly tracerProvider: BasicTracerProvider;
  readonly tracer: Tracer;
  readonly #reader = new OnDemandReader();
  readonly #spans = new InMemorySpanExporter();

  constructor({ defer }: Pick<Cleanup, 'defer'>) {
    this.meterProvider = new MeterProvider({ readers: [this.#reader] });
    this.tracerProvider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(this.#spans)],
    });
    this.tracer = this.tracerProvider.getTracer('test');
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    defer(async () => {
      context.disable();
      await Promise.all([this.meterProvider.shutdown(), this.tracerProvider.shutdown()]);
    });
  }

  /** The providers, as options. */
  get options() {
    const { meterProvider, tracerProvider } = this;
    return { meterProvider, tracerProvider };
  }

  /** A span for each request, as the instrumentation of HTTP makes it. */
  get middleware(): RequestHandler {
    return (req, res, next) => {
      this.tracer.startActiveSpan(req.method, (span) => {
        res.once('close', () => span.end());
        next();
      });
    };
  }

  /** All metrics that have values now. */
  async metrics(): Promise<Map<string, Value[]>> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, 'the metrics were not collected');
    const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
    return new Map(
      all.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints.map(toValue)]),
    );
  }

  /** All values of one metric. */
  async metric(name: string): Promise<Value[]> {
    return (await this.metrics()).get(`git_snapshot.${name}`) ?? [];
  }

  /** Spans that have ended. */
  get spans(): ReadableSpan[] {
    return this.#spans.getFinishedSpans();
  }

  span(name: string): ReadableSpan {
    const [span, ...others] = this.spans.filter((one) => one.name === name);
    if (span === undefined || others.length > 0) throw new Error(`not one span ${name}`);
    return span;
  }
}

function toValue({
  attributes,
  value,
}: DataPoint<number | Pick<Histogram, 'count' | 'sum'>>): Value {
  const named = Object.entries(attributes).map(([name, one]) => [
    name.replace(/^git_snapshot\./, ''),
    one,
  ]);
  const shown = Object.fromEntries(named);
  if (typeof value === 'number') return { attributes: shown, value };
  return { attributes: shown, value: value.count, sum: value.sum };
}
