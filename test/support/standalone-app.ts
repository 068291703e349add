import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { mauthMiddleware, mauthPlugin, type MAuthGateOptions } from '../../lib/core.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { optionsFor, readAll, Witness, type ServedApp } from './inbound-app.js';

export interface StandaloneOptions {
  /** false = the same application without MAuth. */
  mauth?: boolean;
  options?: Partial<MAuthOptions>;
  exempt?: readonly string[];
  /** Whether bodies of any type reach handlers, as a stream where nobody parses them. */
  takesEveryType?: boolean;
  /** Sees every request before anything else does. */
  look?: (request: IncomingMessage) => void;
}

type Start = (witness: Witness, options: StandaloneOptions, gate: MAuthGateOptions) => Promise<Listening>;
type Listening = Pick<ServedApp, 'port' | 'close'>;

/** The application of `startInboundApp`, on servers without Nest. */
export async function startStandaloneApp(
  server: keyof typeof SERVERS,
  options: StandaloneOptions = {},
): Promise<ServedApp> {
  const witness = new Witness();
  const gate = { ...optionsFor(witness, options.options), exempt: options.exempt };
  return Object.assign(witness, await SERVERS[server](witness, options, gate));
}

const SERVERS = { Express: startExpress, Fastify: startFastify, 'node:http': startNode } satisfies Record<
  string,
  Start
>;

async function startExpress(...[witness, { mauth = true, look }, gate]: Parameters<Start>) {
  const app = express();
  const middleware = mauth ? mauthMiddleware(gate) : undefined;
  if (middleware) app.use(middleware);
  app.use(express.json(), express.urlencoded({ extended: true }));
  app.all('/receive', async (request, response) => void response.json(await witness.deliver(request)));
  app.all('/open', (_request, response) => void response.send('open'));
  app.all('/ignore', (_request, response) => {
    ignored(witness);
    response.send('The body is of no interest.');
  });
  app.all('/app_status', (_request, response) => void response.send('up'));
  return listening(app, look, middleware?.close);
}

async function startFastify(
  ...[witness, { mauth = true, takesEveryType, look }, gate]: Parameters<Start>
): Promise<Listening> {
  const app = fastify({ forceCloseConnections: true });
  if (look) app.server.prependListener('request', look);
  if (mauth) await app.register(mauthPlugin, gate);
  if (takesEveryType) app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.all('/receive', (request) => witness.deliver(request));
  app.all('/open', async () => 'open');
  app.all('/ignore', async () => {
    ignored(witness);
    return 'The body is of no interest.';
  });
  app.all('/app_status', async () => 'up');
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

/** A server that has nothing but `(request, response, next)`. */
async function startNode(...[witness, { mauth = true, look }, gate]: Parameters<Start>): Promise<Listening> {
  const middleware = mauth ? mauthMiddleware(gate) : undefined;
  const route: RequestListener = (request, response) => {
    const [path] = request.url?.split('?') ?? [];
    if (path === '/receive') {
      const unparsable = () => response.writeHead(400).end();
      void receiveOnNode(witness, request).then((text) => response.end(text), unparsable);
      return;
    }
    if (path === '/ignore') ignored(witness);
    response.statusCode = ['/ignore', '/open', '/app_status'].includes(path ?? '') ? 200 : 404;
    response.end();
  };
  const listener: RequestListener = (request, response) =>
    middleware ? middleware(request, response, () => route(request, response)) : route(request, response);
  return listening(listener, look, middleware?.close);
}

async function receiveOnNode(witness: Witness, request: IncomingMessage): Promise<string> {
  const { method = '', url = '', headers } = request;
  const isJson = headers['content-type'] === 'application/json' && !headers['content-encoding'];
  const text = isJson ? (await readAll(request)).toString() : '';
  const body: unknown = text && JSON.parse(text);
  return JSON.stringify(await witness.deliver({ method, url, raw: request, ...(text && { body }) } as never));
}

function ignored(witness: Witness): void {
  witness.deliveries.push({ method: '', url: '/ignore', parsed: undefined });
}

async function listening(
  listener: RequestListener,
  look?: StandaloneOptions['look'],
  stop?: () => void,
): Promise<Listening> {
  const server: Server = createServer(listener);
  if (look) server.prependListener('request', look);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    stop?.();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, close };
}
