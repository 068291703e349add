import { once } from 'node:events';
import { request } from 'node:http';
import axios from 'axios';
import * as core from '../../lib/core.js';
import * as library from '../../lib/index.js';
import { expectAuthentic, RecordingServer } from './recording-server.js';
import { exampleInPage, exampleOf, runExample } from '../support/examples.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const server = new RecordingServer(own);
const options: core.MAuthOptions = {
  appUuid: own.appUuid,
  privateKey: own.privateKey,
  signVersions: 'v1,v2',
  findPublicKey: (appUuid) => (appUuid === own.appUuid ? own.publicKey : undefined),
  logger: new RecordingLogger(),
};

describe('The example of', () => {
  beforeAll(() => server.start());
  afterAll(() => server.stop());
  beforeEach(() => {
    server.reset();
    jest.replaceProperty(process, 'env', { ...process.env, API_URL: server.origin });
  });
  afterEach(() => jest.restoreAllMocks());

  const study = { name: 'Mediflex' };

  it('signedFetch in the docs', async () => {
    const names = { ...core, mauthOptionsFromEnv: () => options };
    const response = await runExample(
      exampleInPage('without-nest.md', 'signedFetch(fetch'),
      names,
      'response',
    );
    expect(response.status).toBe(200);
    expectAuthentic(server.last, own);
    expect(JSON.parse(server.last.body.toString())).toEqual(study);
  });

  it('signedFetch in its docstring', async () => {
    const names = { ...core, options, origin: server.origin };
    const code = exampleOf('lib/outbound/fetch/signed-fetch.ts', 'export function signedFetch(');
    expect((await runExample(code, names, 'response')).status).toBe(200);
    expectAuthentic(server.last, own);
  });

  it('any other HTTP client in the docs', async () => {
    const names = { ...core, mauthOptionsFromEnv: () => options, request, once };
    const answer = await runExample(
      exampleInPage('without-nest.md', "import { request } from 'node:http'"),
      names,
      'answer',
    );
    expect(answer.statusCode).toBe(200);
    answer.resume();
    expectAuthentic(server.last, own);
    expect(server.last.target).toBe('/studies?page=1');
  });

  it('signAxios, @SignResponse(), MAuthRequestConfig and getMAuthIdentity, together', async () => {
    const common = await import('@nestjs/common');
    const names = { ...common, ...library, axios, options };
    const marked = exampleOf('lib/nest/decorators.ts', 'export function SignResponse(');
    const method = marked.replace('terms() {}', "terms() { return 'The terms.'; }");
    const TermsController = await runExample(
      `@Controller() class TermsController { ${method} }`,
      names,
      'TermsController',
    );
    const imports = [library.MAuthModule.forRoot(options)];
    const { url, close } = await startApp(PLATFORMS[0][1], { imports, controllers: [TermsController] });
    try {
      const attach = exampleOf('lib/outbound/axios/sign-axios.ts', 'export function signAxios(');
      const instance = axios.create();
      const create = { create: () => instance };
      await runExample(attach, { ...names, axios: create, baseURL: url }, 'detach');
      const response = await instance.get(`${url}/terms`);
      expect(response.data).toBe('The terms.');

      const asked = exampleInPage('responses.md', 'MAuthRequestConfig')
        .replace(/const rave = .*/, `const rave = '${own.appUuid}';`)
        .replace('/studies', `${url}/terms`);
      const StudiesClient = await runExample(asked, names, 'StudiesClient');
      expect(await new StudiesClient({ axiosRef: instance }).studies()).toEqual({
        studies: 'The terms.',
        from: own.appUuid,
      });
    } finally {
      await close();
    }
  });
});
