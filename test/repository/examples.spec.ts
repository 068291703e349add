import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import axios from 'axios';
import ts from 'typescript';
import * as core from '../../lib/core.js';
import * as library from '../../lib/index.js';
import { expectAuthentic, RecordingServer } from '../outbound/recording-server.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const root = join(__dirname, '../..');
const own = createTestApp();
const server = new RecordingServer(own);
const options: core.MAuthOptions = {
  appUuid: own.appUuid,
  privateKey: own.privateKey,
  signVersions: 'v1,v2',
  findPublicKey: (appUuid) => (appUuid === own.appUuid ? own.publicKey : undefined),
  logger: new RecordingLogger(),
};

/** The block of code in the README that holds the text. */
function readmeBlock(text: string): string {
  const blocks = readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g);
  const found = [...blocks].find(([, code]) => code.includes(text));
  if (!found) throw new Error(`README has no example with ${text}`);
  return found[1];
}

/** The example in the docstring in front of the text. */
function docExample(file: string, declaration: string): string {
  const source = readFileSync(join(root, 'lib', file), 'utf8');
  const before = source.slice(0, source.indexOf(declaration));
  const [, example] = /@example\n([\s\S]*?)\*\/\s*$/.exec(before.slice(before.lastIndexOf('/**'))) ?? [];
  if (!example) throw new Error(`No example in front of ${declaration}`);
  return example.replace(/^\s*\* ?/gm, '');
}

/** Runs the code, without its imports, and returns what a name stands for at its end. */
async function run(code: string, names: Record<string, unknown>, result: string): Promise<any> {
  const body = `return (async () => { ${code.replace(/^import .*$/gm, '')}\nreturn ${result}; })();`;
  const { outputText } = ts.transpileModule(`function example() { ${body} }`, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, experimentalDecorators: true },
  });
  // Code of this repository, and nobody else's.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const example = new Function(...Object.keys(names), `${outputText}\nreturn example();`);
  return example(...Object.values(names));
}

describe('The example of', () => {
  beforeAll(() => server.start());
  afterAll(() => server.stop());
  beforeEach(() => server.reset());

  const study = { name: 'Mediflex' };

  it('signedFetch in the README', async () => {
    const names = { ...core, options, api: server.origin, study };
    const response = await run(readmeBlock('signedFetch(fetch'), names, 'response');
    expect(response.status).toBe(200);
    expectAuthentic(server.last, own);
    expect(JSON.parse(server.last.body.toString())).toEqual(study);
  });

  it('signedFetch in its docstring', async () => {
    const names = { ...core, options, origin: server.origin };
    const code = docExample('outbound/signed-fetch.ts', 'export function signedFetch(');
    expect((await run(code, names, 'response')).status).toBe(200);
    expectAuthentic(server.last, own);
  });

  it('any other HTTP client in the README', async () => {
    const signer = new core.MAuthSigner(options);
    const names = { request, once, signer, api: server.origin, study };
    const answer = await run(readmeBlock("import { request } from 'node:http'"), names, 'answer');
    expect(answer.statusCode).toBe(200);
    answer.resume();
    expectAuthentic(server.last, own);
    expect(server.last.target).toBe('/studies?page=1');
  });

  it('MAuthAxiosInterceptor.attach, @SignResponse(), MAuthRequestConfig and getMAuthIdentity, together', async () => {
    const common = await import('@nestjs/common');
    const names = { ...common, ...library, axios, options };
    const marked = docExample('inbound/sign-response.decorator.ts', 'export function SignResponse(');
    const method = marked.replace('terms() {}', "terms() { return 'The terms.'; }");
    const TermsController = await run(
      `@Controller() class TermsController { ${method} }`,
      names,
      'TermsController',
    );
    const imports = [library.MAuthModule.forRoot(options)];
    const { url, close } = await startApp(PLATFORMS[0][1], { imports, controllers: [TermsController] });
    try {
      const attach = docExample('outbound/mauth-axios.interceptor.ts', 'static attach(');
      const instance = axios.create();
      const create = { create: () => instance };
      await run(attach, { ...names, axios: create, baseURL: url }, 'detach');
      const response = await instance.get(`${url}/terms`);
      expect(response.data).toBe('The terms.');

      const asked = readmeBlock('MAuthRequestConfig')
        .replaceAll('this.', '')
        .replace('/studies', `${url}/terms`);
      const scope = { ...names, http: { axiosRef: instance }, rave: own.appUuid };
      expect(await run(asked, scope, 'getMAuthIdentity(response)')).toEqual({
        appUuid: own.appUuid,
        protocolVersion: 2,
      });
    } finally {
      await close();
    }
  });
});
