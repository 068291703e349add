import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeMAuthService } from '../../lib/testing/fake-mauth-service.js';
import { CommandLine, itWithCurl, mauthWords } from '../support/command-line.js';
import { freePort } from '../support/free-port.js';
import { notPrinted, scriptOf } from '../support/page-script.js';
import { createTestApp } from '../support/test-app.js';
import { RecordingServer } from './recording-server.js';

describe('What the commands of a page print', () => {
  const app = createTestApp();
  let line: CommandLine;
  let env: Record<string, string>;
  let service: FakeMAuthService;
  let server: RecordingServer;

  beforeEach(async () => {
    service = await FakeMAuthService.start();
    service.register(app.appUuid, app.publicKeyPem);
    server = await new RecordingServer().start();
    server.answering = { as: app };
    line = new CommandLine();
    // As installed: `npx mauth` runs the command of the package.
    const words = mauthWords().map((word) => `'${word}'`);
    chmodSync(line.write('bin/npx', `#!/bin/sh\nshift\nexec ${words.join(' ')} "$@"\n`), 0o755);
    env = { PATH: `${line.folder}/bin:${process.env.PATH}` };
  });
  afterEach(async () => {
    await Promise.all([server.stop(), service.stop()]);
    line.remove();
  });

  const configured = () => ({
    APP_UUID: app.appUuid,
    MAUTH_PRIVATE_KEY_FILE: line.write('own.pem', app.privateKeyPem),
    MAUTH_URL: service.url,
    API_URL: server.url,
  });

  itWithCurl.each([
    ['command-line.md', () => ({})],
    ['proxy.md', configured],
    ['troubleshooting.md', configured],
  ])('is what it shows: %s', async (name, more) => {
    let text = readFileSync(join(__dirname, '../../docs', name), 'utf8');
    for (const port of ['7000', '9292', '9393']) text = text.replaceAll(port, String(await freePort()));
    const page = scriptOf(text);
    const { exitCode, stdout, stderr } = await line.run(['bash', '-c', page.script], {
      env: { ...env, ...more() },
    });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const printed = `${stdout}\n${stderr}`;
    expect(page.expected.length).toBeGreaterThan(2);
    expect({ printed, missing: notPrinted(page, printed) }).toEqual({ printed, missing: [] });
  });
});
