import { ExpressAdapter } from '@nestjs/platform-express';
import express, { type Response } from 'express';
import { startInboundApp, type InboundApp } from '../support/inbound-app.js';

const BEFORE_THE_DOOR = /stand in front of the door of `protect: 'everything'`/;

/** An application on an Express instance that it brings along. */
function start(server: express.Express, protect: 'routes' | 'everything'): Promise<InboundApp> {
  return startInboundApp('Express', { adapter: new ExpressAdapter(server), door: { protect } });
}

function errorsOf({ logger }: InboundApp): string[] {
  return logger.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
}

describe('Routes of an Express instance that are older than the application', () => {
  const answer = (_request: unknown, response: Response) => void response.send('early');

  it.each([
    ['a route', (server: express.Express) => server.get('/early', answer)],
    [
      'a mounted router',
      (server: express.Express) => server.use('/early', express.Router().get('/', answer)),
    ],
  ])('are reported where there is a door: %s', async (_kind, register) => {
    const server = express();
    register(server);
    const app = await start(server, 'everything');
    expect(errorsOf(app).join()).toMatch(BEFORE_THE_DOOR);
    await app.close();
  });

  it('are no matter without a door', async () => {
    const server = express();
    server.get('/early', answer);
    const app = await start(server, 'routes');
    expect(errorsOf(app)).toEqual([]);
    await app.close();
  });

  it('are not mistaken for middleware, which may stand there', async () => {
    const server = express();
    server.use((_request, _response, next) => next());
    const app = await start(server, 'everything');
    expect(errorsOf(app)).toEqual([]);
    await app.close();
  });
});
