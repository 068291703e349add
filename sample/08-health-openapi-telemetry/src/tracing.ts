import { ConsoleSpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { instrumentMAuth } from 'nestjs-mauth/opentelemetry';

// Spans are printed here; in production an OTLP exporter sends them.
const provider = new NodeTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())],
});
provider.register();
const stop = instrumentMAuth();

export async function stopTracing(): Promise<void> {
  stop();
  await provider.shutdown();
}
