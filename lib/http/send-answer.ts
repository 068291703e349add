import { type Answer } from './answers.js';
import { type Exchange } from './request-pair.js';

/** Answers beneath the framework, which has not seen the request yet or waits for a body that does not come. */
export function sendAnswer(exchange: Exchange, { status, headers, body }: Answer): void {
  const { response } = exchange;
  if (response.headersSent || response.destroyed) return;
  const content = Buffer.from(JSON.stringify(body));
  response.statusCode = status;
  // Express sets it before anything of the application runs that could take it away.
  response.removeHeader('x-powered-by');
  for (const [name, value] of Object.entries({ ...exchange.pendingHeaders(), ...headers })) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', content.length);
  response.end(content);
}
