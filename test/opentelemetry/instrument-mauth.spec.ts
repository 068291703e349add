import { type Server, type ServerResponse } from 'node:http';
import { Controller, Get } from '@nestjs/common';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type DataPoint,
  type Histogram,
} from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { MAuthModule } from '../../lib/index.js';
import { instrumentMAuth } from '../../lib/opentelemetry/index.js';
import { FakeMAuthService } from '../../lib/testing/index.js';
import { Caller, send } from '../support/caller.js';
import { caller, service } from '../support/inbound-app.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const stranger = createTestApp();

@Controller()
class Studies {
  @Get('studies')
  all(): string {
    return 'all';
  }
}

/** What `@opentelemetry/instrumentation-http` does: a span for each request, active while it is handled. */
function serverSpans(tracer: ReturnType<NodeTracerProvider['getTracer']>) {
  return <T>(response: ServerResponse, next: () => T): T => {
    const span = tracer.startSpan('GET');
    response.on('finish', () => span.end());
    return context.with(trace.setSpan(context.active(), span), next);
  };
}

describe.each(PLATFORMS)('OpenTelemetry on %s', (_, adapter) => {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const exported = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: exported, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  let mauth: FakeMAuthService;
  let app: RunningApp;
  let stop: () => void;

  beforeAll(async () => {
    tracerProvider.register();
    stop = instrumentMAuth({ tracerProvider, meterProvider });
    mauth = await FakeMAuthService.start();
    for (const one of [caller, service]) mauth.register(one.appUuid, one.publicKeyPem);
    const module = MAuthModule.forRoot({
      appUuid: service.appUuid,
      privateKey: service.privateKey,
      mauthUrl: mauth.url,
      protect: 'routes',
      logger: new RecordingLogger(),
    });
    app = await startApp(
      adapter,
      { imports: [module], controllers: [Studies] },
      undefined,
      // As instrumentation of node:http does it: around all that hears of a request.
      (nest) => {
        const server = nest.getHttpServer() as Server;
        const emit = server.emit.bind(server) as (...args: unknown[]) => boolean;
        const inSpan = serverSpans(tracerProvider.getTracer('http'));
        server.emit = (name: string, ...args: unknown[]) =>
          name === 'request'
            ? inSpan(args[1] as ServerResponse, () => emit(name, ...args))
            : emit(name, ...args);
      },
    );
  });
  afterAll(async () => {
    stop();
    await app.close();
    await mauth.stop();
    await tracerProvider.shutdown();
    await meterProvider.shutdown();
    trace.disable();
    context.disable();
  });
  beforeEach(() => spans.reset());

  async function metric(name: string) {
    exported.reset();
    await reader.forceFlush();
    const all = exported
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    return all.find(({ descriptor }) => descriptor.name === name);
  }

  async function points(name: string): Promise<[object, unknown][]> {
    const found = await metric(name);
    return (found?.dataPoints as DataPoint<number>[]).map(({ attributes, value }) => [attributes, value]);
  }

  it('nests the attempts to get a key under the span of the server', async () => {
    mauth.fail(503, { times: 1 });
    await new Caller(caller).signed(`${app.url}/studies`);
    const [first, second, server] = spans.getFinishedSpans();
    expect(spans.getFinishedSpans().map(({ name }) => name)).toEqual([
      'mauth.key_fetch',
      'mauth.key_fetch',
      'GET',
    ]);
    for (const fetch of [first, second]) {
      expect(fetch?.parentSpanContext?.spanId).toBe(server?.spanContext().spanId);
    }
    const common = { 'mauth.app_uuid': caller.appUuid, 'mauth.key_fetch.reason': 'absent' };
    expect(first?.attributes).toEqual({
      ...common,
      'mauth.key_fetch.attempt': 1,
      'http.response.status_code': 503,
      'error.type': 'service_unavailable',
    });
    expect(first?.status.code).toBe(SpanStatusCode.ERROR);
    expect(second?.attributes).toEqual({
      ...common,
      'mauth.key_fetch.attempt': 2,
      'http.response.status_code': 200,
      'mauth.key_fetch.found': true,
    });
    expect(server?.attributes).toEqual({ 'mauth.outcome': 'authentic', 'mauth.app_uuid': caller.appUuid });
  });

  it('does not call an app verified that is not', async () => {
    await new Caller(caller).badlySigned(`${app.url}/studies`);
    expect(spans.getFinishedSpans().at(-1)?.attributes).toEqual({ 'mauth.outcome': 'inauthentic' });
  });

  it('counts what was decided, and times it', async () => {
    await new Caller(caller, 'v1').signed(`${app.url}/studies`);
    await send(`${app.url}/studies`);
    await new Caller(stranger).signed(`${app.url}/studies`);
    const request = { 'mauth.source': 'request' };
    const v2 = { ...request, 'mauth.protocol.version': '2' };
    const expected: [object, number][] = [
      [{ ...v2, 'mauth.outcome': 'authentic' }, 1],
      [{ ...v2, 'mauth.outcome': 'inauthentic', 'error.type': 'signature_mismatch' }, 1],
      [{ ...request, 'mauth.protocol.version': '1', 'mauth.outcome': 'authentic' }, 1],
      [{ ...request, 'mauth.outcome': 'inauthentic', 'error.type': 'missing_headers' }, 1],
      [{ ...v2, 'mauth.outcome': 'inauthentic', 'error.type': 'unknown_app' }, 1],
    ];
    expect(await points('mauth.authentications')).toEqual(expected);
    const duration = await metric('mauth.authentication.duration');
    expect(duration?.descriptor.unit).toBe('s');
    const timed = duration?.dataPoints as DataPoint<Histogram>[];
    expect(timed.map(({ attributes, value }) => [attributes, value.count])).toEqual(expected);
    expect(Math.max(...timed.map(({ value }) => value.max ?? 0))).toBeLessThan(10);
  });

  it('counts signatures, times look-ups and gauges the cache', async () => {
    const signatures = await points('mauth.signatures');
    expect(signatures).toEqual([
      [{ 'mauth.source': 'request', 'mauth.protocol.version': '2' }, expect.any(Number)],
      [{ 'mauth.source': 'request', 'mauth.protocol.version': '1' }, expect.any(Number)],
    ]);
    const fetches = (await metric('mauth.key_fetch.duration'))?.dataPoints as DataPoint<Histogram>[];
    expect(fetches.map(({ attributes, value }) => [attributes, value.count])).toEqual([
      [{ 'mauth.key_fetch.reason': 'absent', 'error.type': 'service_unavailable' }, 1],
      [{ 'mauth.key_fetch.reason': 'absent' }, 2],
      [{ 'mauth.key_fetch.reason': 'mismatch' }, 1],
    ]);
    const [[, cached]] = await points('mauth.keys.cached');
    expect(cached).toBeGreaterThanOrEqual(1);
    expect(await points('mauth.keys.stale')).toEqual([[{}, 0]]);
  });

  it('never has the app UUID in a metric', async () => {
    await reader.forceFlush();
    const told = JSON.stringify(exported.getMetrics());
    expect(told).toContain('mauth.authentications');
    for (const { appUuid } of [caller, service, stranger]) expect(told).not.toContain(appUuid);
  });

  it('counts once, also where it was called twice, and no more once it is stopped', async () => {
    const before = (await points('mauth.authentications'))[3]?.[1] as number;
    // Also by another copy of the package, as CommonJS and ES modules bring two.
    jest.isolateModules(() => {
      const copy = jest.requireActual<{ instrumentMAuth: typeof instrumentMAuth }>(
        '../../lib/opentelemetry/index.js',
      );
      expect(copy.instrumentMAuth).not.toBe(instrumentMAuth);
      stop = copy.instrumentMAuth({ tracerProvider, meterProvider });
    });
    await send(`${app.url}/studies`);
    expect((await points('mauth.authentications'))[3]?.[1]).toBe(before + 1);
    stop();
    await send(`${app.url}/studies`);
    expect((await points('mauth.authentications'))[3]?.[1]).toBe(before + 1);
  });
});
