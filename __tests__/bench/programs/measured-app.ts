import { join } from 'node:path';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { FileSystemStore } from '../../../lib/index.js';
import {
  instrumentRouter,
  instrumentService,
  instrumentStore,
} from '../../../lib/opentelemetry/index.js';
import { type HostApp, type HostAppOptions, startHostApp } from '../../support/host-app.js';

/** A host app of which OpenTelemetry measures all that it can. */
export async function startMeasuredApp(options: HostAppOptions): Promise<HostApp> {
  const readers = [new PrometheusExporter({ preventServerStart: true })];
  const meterProvider = new MeterProvider({ readers });
  const store = new FileSystemStore({ directory: join(options.dataDir, 'snapshots') });
  const app = await startHostApp({ ...options, store: instrumentStore(store, { meterProvider }) });
  instrumentRouter(app.router, { meterProvider });
  instrumentService(app.router.service, { meterProvider });
  return app;
}
