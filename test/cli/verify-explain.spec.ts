import { FakeMAuthService } from '../../lib/testing/fake-mauth-service.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { stringToSign } from '../../lib/protocol/string-to-sign.js';
import { CommandLine } from '../support/command-line.js';
import { createTestApp } from '../support/test-app.js';
import { freePort } from '../support/free-port.js';

const caller = createTestApp();
const own = createTestApp();
const line = new CommandLine();
const TIME = 1_763_700_000;
const KEY = ['--public-key', 'caller.pem'];
let service: FakeMAuthService;
let asked: string[];

interface Signed {
  method?: string;
  url?: string;
  body?: string | Buffer;
}

/** A request, signed over one thing and sent as another. */
async function wire(
  { method = 'POST', url = '/studies?page=1', body = '{"a":1}' }: Signed = {},
  sent: Signed = {},
) {
  const signer = new MAuthSigner({
    appUuid: caller.appUuid,
    privateKey: caller.privateKey,
    signVersions: 'v2',
  });
  const headers = await signer.signRequest({ method, url, body }, { time: TIME });
  const message = { method, url, body, ...sent };
  const head = [
    `${message.method} ${message.url} HTTP/1.1`,
    'Host: api.example.com',
    ...Object.entries(headers).map(([name, value]) => `${name.toLowerCase()}: ${value}`),
  ];
  const text = Buffer.concat([
    Buffer.from(`${head.join('\r\n')}\r\n\r\n`),
    Buffer.from(message.body as string),
  ]);
  return { text, headers, ...message };
}

beforeAll(async () => {
  service = await FakeMAuthService.start();
  for (const app of [own, caller]) service.register(app.appUuid, app.publicKeyPem);
  line.write('caller.pem', caller.publicKeyPem);
  line.write('other.pem', own.publicKeyPem);
  line.write('own.pem', own.privateKeyPem);
  asked = ['--service', '--app-uuid', own.appUuid, '--key', 'own.pem', '--mauth-url', service.url];
});
afterAll(async () => {
  await service.stop();
  line.remove();
});

describe('mauth verify', () => {
  it('takes a request as on the wire, from a file and from stdin', async () => {
    const { text } = await wire();
    line.write('request.txt', text);
    const expected = {
      exitCode: 0,
      stdout: `authentic: signed by ${caller.appUuid}, V2, 2025-11-21T04:40:00.000Z\n`,
      stderr: '',
    };
    expect(await line.mauth(['verify', 'request.txt', ...KEY])).toEqual(expected);
    expect(await line.mauth(['verify', ...KEY], { input: text })).toEqual(expected);
    expect(await line.mauth(['verify', '-', ...KEY], { input: text })).toEqual(expected);
  });

  it('takes bytes as they are, and lines that an editor has rewritten', async () => {
    const bytes = await wire({ body: Buffer.from([0, 13, 10, 13, 10, 255, 254]) });
    expect(await line.mauth(['verify', ...KEY], { input: bytes.text })).toMatchObject({ exitCode: 0 });
    const text = (await wire({ body: 'a' })).text.toString().replaceAll('\r\n', '\n');
    expect(await line.mauth(['verify', ...KEY], { input: text })).toMatchObject({ exitCode: 0 });
  });

  it('takes a chunked body', async () => {
    const { text } = await wire({ body: 'a chunked body' });
    const [head, body] = text.toString().split('\r\n\r\n');
    const chunked = `${head}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${body.slice(0, 5)}\r\n9;x=y\r\n${body.slice(5)}\r\n0\r\n\r\n`;
    expect(await line.mauth(['verify', ...KEY], { input: chunked })).toMatchObject({ exitCode: 0 });
  });

  it('takes a line of curl', async () => {
    const { headers } = await wire({ body: `it's "é"` });
    const fields = Object.entries(headers).map(([name, value]) => `-H '${name}: ${value}'`);
    const lines = [
      `curl 'https://api.example.com/studies?page=1' ${fields.join(' ')} --data-raw 'it'\\''s "é"'`,
      `curl -X POST --compressed -sS "https://api.example.com/studies?page=1" \\\n ${fields.join(' \\\n ')} --data-raw $'it\\'s "\\u00e9"'`,
    ];
    for (const curl of lines) {
      expect(await line.mauth(['verify', '--curl', curl, ...KEY])).toMatchObject({ exitCode: 0, stderr: '' });
    }
  });

  it('takes an entry of a HAR file: the first that is signed, or the one that is named', async () => {
    const { method, url, headers, body } = await wire();
    const entry = (fields: object) => ({
      request: { method: 'GET', url: 'https://a.example/', headers: [], ...fields },
    });
    const signed = {
      method,
      url: `https://api.example.com${url}#top`,
      headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
      postData: {
        mimeType: 'application/json',
        text: Buffer.from(body).toString('base64'),
        encoding: 'base64',
      },
    };
    line.write('api.har', JSON.stringify({ log: { entries: [entry({}), entry(signed)] } }));
    expect(await line.mauth(['verify', '--har', 'api.har', ...KEY])).toMatchObject({ exitCode: 0 });
    expect(await line.mauth(['verify', '--har', 'api.har', '--entry', '1', ...KEY])).toMatchObject({
      exitCode: 7,
      stdout: 'not authentic: missing_headers\n',
    });
    const none = await line.mauth(['verify', '--har', 'api.har', '--entry', '3', ...KEY]);
    expect(none.exitCode).toBe(2);
    expect(none.stderr).toContain('it has 2 requests; set --entry to one of them');
  });

  it('asks the MAuth service for the key', async () => {
    const { text } = await wire();
    expect(await line.mauth(['verify', ...asked], { input: text })).toMatchObject({ exitCode: 0 });
    service.fail(503);
    const away = await line.mauth(['verify', ...asked], { input: text });
    service.fail(undefined);
    expect(away).toMatchObject({ exitCode: 8, stdout: '' });
    expect(away.stderr).toContain('"mauth doctor" says more');
    service.revoke(caller.appUuid);
    const unknown = await line.mauth(['verify', ...asked], { input: text });
    service.register(caller.appUuid, caller.publicKeyPem);
    expect(unknown).toMatchObject({ exitCode: 7, stdout: '' });
    expect(unknown.stderr).toContain(`does not know the app ${caller.appUuid}`);
  });

  it('looks at the time only where it is told one', async () => {
    const { text } = await wire();
    const at = (now: number) => line.mauth(['verify', ...KEY, '--now', String(now)], { input: text });
    expect(await at(TIME + 300)).toMatchObject({ exitCode: 0 });
    expect(await at(TIME + 301)).toMatchObject({ exitCode: 7, stdout: 'not authentic: time_out_of_range\n' });
  });

  it('says what is not authentic, also as JSON', async () => {
    const { text } = await wire({}, { url: '/studies?page=2' });
    const ended = await line.mauth(['verify', ...KEY], { input: text });
    expect(ended).toMatchObject({ exitCode: 7, stdout: 'not authentic: signature_mismatch\n' });
    expect(ended.stderr).toContain('"mauth explain" with the same arguments says why');
    const { stdout, exitCode } = await line.mauth(['verify', '--json', ...KEY], { input: text });
    expect(exitCode).toBe(7);
    expect(JSON.parse(stdout)).toEqual({
      authentic: false,
      appUuid: caller.appUuid,
      code: 'signature_mismatch',
      signedAt: TIME,
    });
  });
});

describe('mauth explain', () => {
  const explain = (input: Buffer, ...args: string[]) => line.mauth(['explain', ...KEY, ...args], { input });

  it('exits with 0 for an authentic request', async () => {
    expect(await explain((await wire()).text)).toMatchObject({
      exitCode: 0,
      stdout: 'The request is authentic.\n',
    });
  });

  it('says what was changed, and what to do: 7', async () => {
    const { text } = await wire({ url: '/studies?page=1' }, { url: '/api/studies?page=1' });
    const { exitCode, stdout } = await explain(text);
    expect(exitCode).toBe(7);
    expect(stdout).toMatch(
      /^The signature does not match, and this is why:\n- path_prefix_added\n {2}\S.*\n {2}\S/,
    );
    expect(stdout).toContain('! path     received "/api/studies"\n           signed   "/studies"\n');
    expect(stdout).toContain('  method   received "POST"');
  });

  it('knows prefixes that it is told', async () => {
    const { text } = await wire({ url: '/v7/x/studies' }, { url: '/studies' });
    expect((await explain(text, '--prefix', '/other', '--prefix', '/v7/x')).stdout).toContain(
      'path_prefix_removed',
    );
  });

  it('tells another key: 7', async () => {
    const { text } = await wire();
    const ended = await line.mauth(['explain', '--public-key', 'other.pem'], { input: text });
    expect(ended.exitCode).toBe(7);
    expect(ended.stdout).toContain('was not made with the private key that belongs to this public key');
  });

  it('says where it does not know: 8; and with the text that was signed it knows', async () => {
    const { text } = await wire({ url: '/far/away', body: 'something' }, { url: '/studies', body: 'else' });
    expect(await explain(text)).toMatchObject({ exitCode: 8 });
    const message = {
      method: 'POST',
      url: '/far/away',
      body: 'something',
      appUuid: caller.appUuid,
      time: TIME,
    };
    line.write('expected.txt', stringToSign(2, message));
    const { stdout } = await explain(text, '--expected', 'expected.txt');
    expect(stdout).toContain('signed   "/far/away"');
  });

  it('prints JSON', async () => {
    const { text } = await wire({}, { method: 'PUT' });
    const { exitCode, stdout } = await explain(text, '--json');
    expect(exitCode).toBe(7);
    const { verdict, causes, stringToSignBase64 } = JSON.parse(stdout) as {
      verdict: string;
      causes: { code: string }[];
      stringToSignBase64: string;
    };
    expect({ verdict, codes: causes.map(({ code }) => code) }).toEqual({
      verdict: 'explained',
      codes: ['method_changed'],
    });
    expect(Buffer.from(stringToSignBase64, 'base64').toString()).toMatch(/^PUT\n\/studies\n/);
  });

  it('looks at the time only where it is told one', async () => {
    const { text } = await wire();
    expect((await explain(text, '--now', String(TIME + 301))).stdout).toContain('- clock_skew\n');
  });

  it('asks the MAuth service for the key', async () => {
    const { text } = await wire({}, { method: 'PUT' });
    const ended = await line.mauth(['explain', ...asked], { input: text });
    expect(ended).toMatchObject({ exitCode: 7 });
    expect(ended.stdout).toContain('method_changed');
  });

  it('needs a key that is named where the request names no app', async () => {
    const ended = await line.mauth(['explain', ...asked], { input: 'GET / HTTP/1.1\r\n\r\n' });
    expect(ended).toMatchObject({ exitCode: 2, stdout: '' });
    expect(ended.stderr).toContain('The request names no app');
    expect(await line.mauth(['verify', ...asked], { input: 'GET / HTTP/1.1\r\n\r\n' })).toMatchObject({
      exitCode: 7,
    });
  });

  it('reads a request that is not signed', async () => {
    const { stdout, exitCode } = await explain(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 7,
      stdout: expect.stringContaining('- headers_missing'),
    });
  });
});

describe.each(['verify', 'explain'])('mauth %s, where something is wrong', (command) => {
  it.each<[string, string[], string, number, RegExp]>([
    ['no key chosen', [], 'GET / HTTP/1.1', 2, /Set --public-key FILE, or --service/],
    ['two keys chosen', [...KEY, '--service'], 'GET / HTTP/1.1', 2, /Set --public-key FILE, or --service/],
    [
      'no such key',
      ['--public-key', 'nowhere'],
      'GET / HTTP/1.1',
      2,
      /--public-key names a file that cannot be read/,
    ],
    [
      'a private key',
      ['--public-key', 'own.pem'],
      'GET / HTTP/1.1',
      3,
      /own\.pem cannot be used\. The public key must/,
    ],
    ['two requests', ['request.txt', '--curl', 'curl http://a/', ...KEY], '', 2, /Give one request/],
    ['no such file', ['nowhere.txt', ...KEY], '', 2, /cannot be read \(ENOENT\): "nowhere\.txt"/],
    ['no request', KEY, 'nonsense', 2, /its first line must be one such as/],
    ['a line that is no header', KEY, 'GET / HTTP/1.1\nnonsense\n\n', 2, /the line "nonsense" is no header/],
    ['half a chunk', KEY, 'GET / HTTP/1.1\nTransfer-Encoding: chunked\n\n9\nabc', 2, /its end is missing/],
    [
      'no chunk',
      KEY,
      'GET / HTTP/1.1\nTransfer-Encoding: chunked\n\nabcxyz',
      2,
      /does not begin with its length|its end/,
    ],
    ['no curl', ['--curl', 'wget http://a/', ...KEY], '', 2, /does not begin with "curl"/],
    ['curl without URL', ['--curl', 'curl -s', ...KEY], '', 2, /it has no URL/],
    ['an open quote', ['--curl', "curl 'http://a/", ...KEY], '', 2, /a ' is not closed/],
    ['a form', ['--curl', 'curl http://a/ -F a=b', ...KEY], '', 2, /what -F sends cannot be told/],
    ['no HAR', ['--har', 'own.pem', ...KEY], '', 2, /it is not JSON/],
    ['HAR without entries', ['--har', 'empty.har', ...KEY], '', 2, /it has no log\.entries/],
    [
      'an entry that is none',
      ['--har', 'empty.har', '--entry', 'x', ...KEY],
      '',
      2,
      /--entry takes the place|no log/,
    ],
    ['a time that is none', [...KEY, '--now', 'soon'], 'GET / HTTP/1.1', 2, /--now takes seconds since 1970/],
  ])('%s', async (_name, args, input, exitCode, text) => {
    line.write('request.txt', 'GET / HTTP/1.1\r\n\r\n');
    line.write('empty.har', '{}');
    const ended = await line.mauth([command, ...args], { input });
    expect({ exitCode: ended.exitCode, stdout: ended.stdout }).toEqual({ exitCode, stdout: '' });
    expect(ended.stderr).toMatch(text);
    expect(ended.stderr).not.toContain('BEGIN');
  });

  it('a MAuth service that cannot be reached: 8', async () => {
    const { text } = await wire();
    const away = `http://127.0.0.1:${await freePort()}`;
    const ended = await line.mauth([command, ...asked, '--mauth-url', away], { input: text });
    expect(ended).toMatchObject({ exitCode: 8, stdout: '' });
  });
});
