import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import {
  context,
  metrics,
  SpanStatusCode,
  trace,
  type Attributes,
  type MeterProvider,
  type ObservableGauge,
  type Span,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { type MAuthAuthenticatedEvent, type MAuthSignedEvent } from '../config/observer.js';
import { VERSION } from '../config/version.js';
import { type KeyFetch } from '../events/mauth-events.js';
import { liveCaches } from '../keys/live-caches.js';

/** Where traces and metrics go. */
export interface MAuthInstrumentationOptions {
  /** Default: the global one. */
  tracerProvider?: TracerProvider;
  /** Default: the global one. */
  meterProvider?: MeterProvider;
}

const NAME = 'nestjs-mauth';
/** Seconds. Most decisions take less than a millisecond; those that wait for a key or a body take longer. */
const BOUNDARIES = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

// By a global name: the CommonJS and the ES module copy of this package take each other's place, too.
const STOP = Symbol.for('nestjs-mauth:opentelemetry');
const shared = globalThis as { [STOP]?: (() => void) | undefined };

/**
 * Tells OpenTelemetry what MAuth decides and does in this process, by the diagnostics channels: call it once, after the
 * SDK was started. Calling it again takes the place of the call before.
 *
 * Spans: `mauth.key_fetch` for each attempt to get a public key, under the span of the request that waits for it; the
 * span of the server gets `mauth.outcome`, and `mauth.app_uuid` where the app is verified.
 * Metrics: `mauth.authentications`, `mauth.authentication.duration` (s), `mauth.signatures`,
 * `mauth.key_fetch.duration` (s), `mauth.keys.cached`, `mauth.keys.stale`. None has the app UUID as an attribute.
 *
 * @returns stops it
 *
 * @example
 * import { NodeSDK } from '@opentelemetry/sdk-node';
 * import { instrumentMAuth } from 'nestjs-mauth/opentelemetry';
 *
 * new NodeSDK().start();
 * instrumentMAuth();
 */
export function instrumentMAuth(options: MAuthInstrumentationOptions = {}): () => void {
  shared[STOP]?.();
  const tracer = (options.tracerProvider ?? trace).getTracer(NAME, VERSION);
  const ends = [...observeDecisions(options), observeKeyFetches(tracer, options), observeCaches(options)];
  const end = () => {
    if (shared[STOP] === end) shared[STOP] = undefined;
    for (const one of ends.splice(0)) one();
  };
  return (shared[STOP] = end);
}

function meterOf({ meterProvider }: MAuthInstrumentationOptions) {
  return (meterProvider ?? metrics).getMeter(NAME, VERSION);
}

function observeDecisions(options: MAuthInstrumentationOptions): (() => void)[] {
  const meter = meterOf(options);
  const authentications = meter.createCounter('mauth.authentications', {
    description: 'Messages that were to be authenticated, by what was decided.',
  });
  const duration = meter.createHistogram('mauth.authentication.duration', {
    description: 'From the head of a message to the decision.',
    unit: 's',
    advice: { explicitBucketBoundaries: BOUNDARIES },
  });
  const signatures = meter.createCounter('mauth.signatures', { description: 'Messages that were signed.' });
  return [
    subscribed('nestjs-mauth:authenticate', (event: MAuthAuthenticatedEvent) => {
      const attributes = attributesOf(event);
      authentications.add(1, attributes);
      duration.record(event.durationMs / 1000, attributes);
      if (event.source === 'request') tellServerSpan(event);
    }),
    subscribed('nestjs-mauth:sign', ({ kind, versions }: MAuthSignedEvent) => {
      const version = versions.replaceAll('v', '');
      signatures.add(1, { 'mauth.source': kind, 'mauth.protocol.version': version });
    }),
  ];
}

function attributesOf({ outcome, source, code, protocolVersion }: MAuthAuthenticatedEvent): Attributes {
  return {
    'mauth.outcome': outcome,
    'mauth.source': source,
    ...(protocolVersion && { 'mauth.protocol.version': String(protocolVersion) }),
    ...(code && { 'error.type': code }),
  };
}

function tellServerSpan({ outcome, appUuid }: MAuthAuthenticatedEvent): void {
  const span = trace.getActiveSpan();
  span?.setAttribute('mauth.outcome', outcome);
  const isVerified = outcome === 'authentic' || outcome === 'forbidden';
  if (isVerified && appUuid) span?.setAttribute('mauth.app_uuid', appUuid);
}

interface OpenFetch {
  readonly span: Span;
  readonly started: number;
}

function observeKeyFetches(tracer: Tracer, options: MAuthInstrumentationOptions): () => void {
  const duration = meterOf(options).createHistogram('mauth.key_fetch.duration', {
    description: 'Of one attempt to get a public key.',
    unit: 's',
    advice: { explicitBucketBoundaries: BOUNDARIES },
  });
  const open = new WeakMap<object, OpenFetch>();
  const subscribers = {
    start(fetch: KeyFetch) {
      const { appUuid, reason, attempt } = fetch;
      const attributes = {
        'mauth.app_uuid': appUuid,
        'mauth.key_fetch.reason': reason,
        'mauth.key_fetch.attempt': attempt,
      };
      const span = tracer.startSpan('mauth.key_fetch', { attributes }, context.active());
      open.set(fetch, { span, started: performance.now() });
    },
    end: () => undefined,
    asyncStart: () => undefined,
    error: () => undefined,
    asyncEnd(fetch: KeyFetch) {
      const begun = open.get(fetch);
      if (!begun) return; // It was under way before anybody looked.
      const { reason, status, found, code } = fetch;
      const { span, started } = begun;
      if (status !== undefined) span.setAttribute('http.response.status_code', status);
      if (found !== undefined) span.setAttribute('mauth.key_fetch.found', found);
      if (code !== undefined) span.setAttribute('error.type', code).setStatus({ code: SpanStatusCode.ERROR });
      span.end();
      duration.record((performance.now() - started) / 1000, {
        'mauth.key_fetch.reason': reason,
        ...(code && { 'error.type': code }),
      });
    },
  };
  const channels = tracingChannel<unknown, KeyFetch>('nestjs-mauth:key_fetch');
  channels.subscribe(subscribers);
  return () => void channels.unsubscribe(subscribers);
}

function observeCaches(options: MAuthInstrumentationOptions): () => void {
  const meter = meterOf(options);
  const cached = meter.createObservableGauge('mauth.keys.cached', {
    description: 'Public keys in memory that may serve.',
  });
  const stale = meter.createObservableGauge('mauth.keys.stale', {
    description: 'Of these, how many are past their lifetime.',
  });
  const observe: Parameters<ReturnType<typeof meterOf>['addBatchObservableCallback']>[0] = (result) => {
    const conditions = liveCaches().map((cache) => cache.condition());
    result.observe(cached, sum(conditions.map(({ usable }) => usable)));
    result.observe(stale, sum(conditions.map((condition) => condition.stale)));
  };
  const gauges: ObservableGauge[] = [cached, stale];
  meter.addBatchObservableCallback(observe, gauges);
  return () => meter.removeBatchObservableCallback(observe, gauges);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function subscribed<Event>(channel: string, take: (event: Event) => void): () => void {
  const listener = (event: unknown) => take(event as Event);
  subscribe(channel, listener);
  return () => void unsubscribe(channel, listener);
}
