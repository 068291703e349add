import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type APIGatewayProxyEventV2, type Context } from 'aws-lambda';
import { handler } from './handler.js';

/** What API Gateway makes of a request (HTTP API, payload format 2.0). */
async function eventOf(request: IncomingMessage): Promise<APIGatewayProxyEventV2> {
  const [rawPath = '/', ...query] = (request.url ?? '/').split('?');
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  const body = await buffer(request);
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString: query.join('?'),
    headers: Object.fromEntries(headers) as Record<string, string>,
    requestContext: {
      http: { method: request.method ?? 'GET', path: rawPath },
    } as APIGatewayProxyEventV2['requestContext'],
    body: body.toString('base64'),
    isBase64Encoded: true,
  };
}

/** In place of API Gateway, for a try on your own machine. */
const server = createServer((request, response) => {
  void (async () => {
    const { statusCode, headers, body } = await handler(await eventOf(request), {} as Context);
    response.writeHead(statusCode, headers).end(body);
  })().catch((error: unknown) => {
    console.error(error);
    response.writeHead(500).end();
  });
});

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit());
