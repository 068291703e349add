import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { MAuthGuard } from '../../lib/index.js';
import { MAuthTestingModule } from '../../lib/testing/index.js';
import { Chromium, chromiumCommand } from '../support/chromium.js';
import { startApp } from '../support/running-app.js';
import { authenticatorOfTests, SigningTarget, startProxy } from './signing-target.js';

const command = chromiumCommand();
if (!command) console.warn('No Chromium is installed: the tests of the proxy in a browser are skipped.');
const inChromium = command ? it : it.skip;

@Controller()
class StudiesController {
  @UseGuards(MAuthGuard)
  @Get('studies')
  studies() {
    return ['ACME-1'];
  }
}

@Module({ controllers: [StudiesController] })
class StudiesModule {}

describe('SigningProxy and Chromium (skipped where it is not installed)', () => {
  const target = new SigningTarget();
  let foreign: Server;
  let browser: Chromium | undefined;
  beforeAll(async () => {
    await target.start();
    foreign = createServer((_, response) =>
      response.setHeader('content-type', 'text/html').end('<p>page'),
    ).listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    if (command) browser = await Chromium.start(command);
  }, 60_000);
  afterAll(async () => {
    await browser?.stop();
    await target.stop();
    foreign.close();
    foreign.closeAllConnections();
  });

  inChromium(
    'signs nothing for a page of another origin',
    async () => {
      const { proxy, url, port, lines } = await startProxy({
        target: target.url,
        authenticator: authenticatorOfTests(),
      });
      try {
        await browser?.open(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}`);
        const outcomes = await browser?.evaluate(`(async () => {
        const tries = [];
        for (const origin of ['${url}', 'http://localhost:${port}', 'http://rebound.localhost:${port}']) {
          tries.push(fetch(origin + '/get'), fetch(origin + '/opaque', { mode: 'no-cors' }));
          tries.push(fetch(origin + '/post', { method: 'POST', mode: 'no-cors', body: 'x' }));
          tries.push(fetch(origin + '/put', { method: 'PUT', body: 'x' }));
          for (const [tag, name] of [['img', 'src'], ['script', 'src'], ['iframe', 'src']]) {
            const element = document.createElement(tag);
            tries.push(new Promise((done) => (element.onload = element.onerror = done)));
            element[name] = origin + '/' + tag;
            element.referrerPolicy = 'no-referrer';
            document.body.append(element);
          }
        }
        return (await Promise.allSettled(tries)).length;
      })()`);
        expect(outcomes).toBe(21);
        expect(target.arrived).toEqual([]);
        expect(lines.filter((line) => / 403 /.test(line)).length).toBeGreaterThan(10);
        // The same browser may, on a page that it got through the proxy.
        await browser?.open(`${url}/own`);
        expect(
          await browser?.evaluate(
            `fetch('/own', { method: 'POST', body: 'x' }).then(({ status }) => status)`,
          ),
        ).toBe(200);
        expect(target.arrived.every(({ isAuthentic }) => isAuthentic)).toBe(true);
      } finally {
        await proxy.close();
      }
    },
    60_000,
  );

  inChromium(
    'makes "Try it out" of Swagger UI work',
    async () => {
      const app = await startApp(
        () => new ExpressAdapter(),
        { imports: [MAuthTestingModule.forRoot({ protect: 'decorated' }), StudiesModule] },
        undefined,
        (nest) =>
          SwaggerModule.setup(
            'docs',
            nest,
            SwaggerModule.createDocument(nest, new DocumentBuilder().build()),
          ),
      );
      const { proxy, url } = await startProxy({ target: app.url });
      try {
        expect((await fetch(`${app.url}/studies`)).status).toBe(401);
        await browser?.open(`${url}/docs`);
        for (const selector of ['.opblock-summary-control', '.try-out__btn', '.execute']) {
          await browser?.until(`document.querySelector('${selector}') !== null`);
          await browser?.evaluate(`document.querySelector('${selector}').click()`);
        }
        await browser?.until(`document.querySelector('.live-responses-table .response-col_status') !== null`);
        const shown = await browser?.evaluate(`document.querySelector('.live-responses-table').innerText`);
        expect(shown).toMatch(/200[^]*ACME-1/);
      } finally {
        await proxy.close();
        await app.close();
      }
    },
    60_000,
  );
});
