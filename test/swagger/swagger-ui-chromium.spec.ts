import { type Server } from 'node:http';
import { SwaggerModule } from '@nestjs/swagger';
import { Chromium, chromiumCommand } from '../support/chromium.js';
import { PLATFORMS, startApp } from '../support/running-app.js';
import { operationsOf, PROTECTIONS, startStudyApp, type FoundOperation } from './study-application.js';

const command = chromiumCommand();
if (!command) console.warn('No Chromium is installed: the test of Swagger UI is skipped.');
const inChromium = command ? it : it.skip;

/** Every operation that Swagger UI shows, and whether there is a lock at it. */
const LOCKS = `[...document.querySelectorAll('.opblock')].map((block) => [
  block.querySelector('.opblock-summary-method').textContent + ' ' +
    block.querySelector('.opblock-summary-path').dataset.path,
  block.querySelector('.authorization__btn') !== null,
])`;

// On Fastify the page itself is served by @fastify/static, which Nest cannot load inside Jest.
const [[, createAdapter]] = PLATFORMS;

describe('Swagger UI in Chromium (skipped where it is not installed)', () => {
  let browser: Chromium | undefined;
  beforeAll(async () => {
    if (command) browser = await Chromium.start(command);
  }, 60_000);
  afterAll(() => browser?.stop());

  inChromium.each(PROTECTIONS)(
    "shows locks where signatures are asked for, with protect: '%s'",
    async (protect) => {
      // The page itself would be behind the gate of `everything`, so there another application shows the document.
      const shown = await startStudyApp(createAdapter, protect, 'uri');
      const {
        app: page,
        url,
        close,
      } = await startApp(createAdapter, {}, undefined, (app) =>
        SwaggerModule.setup('docs', app, shown.document),
      );
      try {
        const operations = operationsOf(shown.document).filter(isShown);
        await browser?.open(`${url}/docs`);
        await browser?.until(`document.querySelectorAll('.opblock').length === ${operations.length}`);
        const expected = operations.map(({ method, path, security }) => {
          // An empty alternative takes no lock away: optional operations have one, as a caller may sign.
          const isLocked = security.length > 0;
          return [`${method} ${path}`, isLocked];
        });
        const locks = (await browser?.evaluate(LOCKS)) as [string, boolean][];
        expect(locks).toEqual(expected);
        const lockOf = new Map(locks);
        expect([
          lockOf.get('GET /api/v1/protected/list'),
          lockOf.get('POST /api/v1/optional'),
          lockOf.get('POST /api/v1/public'),
          lockOf.get('GET /api/v1/public/list'),
          lockOf.get('GET /api/v1/undecorated/list'),
        ]).toEqual([true, true, false, false, protect !== 'decorated']);
      } finally {
        // A browser opens connections before it needs them, and a server would wait for their first request.
        const closed = close();
        (page.getHttpServer() as Server).closeAllConnections();
        await closed;
        await shown.close();
      }
    },
    60_000,
  );
});

/** Swagger UI knows no SEARCH. */
function isShown({ method }: FoundOperation): boolean {
  return method !== 'SEARCH';
}
