import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { HarFile } from '../../lib/cli/proxy/har-file.js';
import { authenticatorOfTests, onTheWire, SigningTarget, startProxy, wire } from './signing-target.js';

describe('The record of the proxy', () => {
  const target = new SigningTarget();
  const folder = mkdtempSync(join(tmpdir(), 'mauth-proxy-'));
  const record = join(folder, 'record.har');
  const read = () => JSON.parse(readFileSync(record, 'utf8'));
  beforeAll(() => target.start());
  afterAll(async () => {
    await target.stop();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['text', Buffer.from('{"name":"Zoë"}'), {}, { text: '{"name":"Zoë"}' }],
    ['bytes', Buffer.from([0xff, 0]), {}, { text: '/wA=', encoding: 'base64' }],
    [
      'a compressed body',
      gzipSync('x'),
      { 'Content-Encoding': 'gzip' },
      { text: gzipSync('x').toString('base64'), encoding: 'base64' },
    ],
    ['nothing', Buffer.alloc(0), {}, { text: '' }],
  ])('has %s as it came', async (_, body, headers, content) => {
    for (const authenticator of [authenticatorOfTests(), undefined]) {
      target.answer = (_request, response) =>
        target.signed(response, 201, body, { 'Content-Type': 'x/y', 'Set-Cookie': 'secret', ...headers });
      const { proxy, port, lines } = await startProxy({
        target: `${target.url}/v1`,
        record,
        authenticator,
        headers: [['X-Key', 'secret']],
      });
      const secrets = [
        'Authorization: secret',
        'Cookie: secret',
        'Content-Type: a/b',
        `Content-Length: ${body.length}`,
      ];
      const head = Buffer.from(wire('POST /a?b=1&c', [`Host: 127.0.0.1:${port}`, ...secrets]));
      expect((await onTheWire(port, Buffer.concat([head, body]))).status).toBe(201);
      while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await proxy.close();
      const { log } = read();
      expect(log).toMatchObject({ version: '1.2', creator: { name: 'mauth proxy' } });
      const { postData } = log.entries[0].request;
      expect(log.entries).toMatchObject([
        {
          request: {
            method: 'POST',
            url: `${target.url}/v1/a?b=1&c`,
            queryString: [
              { name: 'b', value: '1' },
              { name: 'c', value: '' },
            ],
            bodySize: body.length,
          },
          response: { status: 201, content: { size: body.length, mimeType: 'x/y', ...content } },
        },
      ]);
      if (body.length > 0) expect(postData).toMatchObject({ mimeType: 'a/b', ...content });
      const text = readFileSync(record, 'utf8');
      expect(text).toContain('MCC-Authentication');
      expect(text).not.toMatch(/secret|MWS /);
      expect(text).not.toMatch(/MWSV2/);
    }
  });

  it('is whole after each of many exchanges, and shows no signature that the target sends back', async () => {
    target.answer = (request, response) =>
      target.signed(response, 200, Buffer.from(JSON.stringify(request.headers)));
    const { proxy, url } = await startProxy({
      target: target.url,
      record,
      authenticator: authenticatorOfTests(),
    });
    expect(read().log.entries).toEqual([]);
    for (let round = 1; round <= 3; round++) {
      await Promise.all(Array.from({ length: 10 }, async () => (await fetch(url)).text()));
      expect(read().log.entries.length).toBeLessThanOrEqual(round * 10);
    }
    await proxy.close();
    expect(read().log.entries).toHaveLength(30);
    expect(readFileSync(record, 'utf8')).not.toMatch(/MWS(V2)? [0-9a-f]/);
  });

  it('is for its owner alone, also where the file was there before', async () => {
    writeFileSync(record, 'x'.repeat(10_000), { mode: 0o644 });
    const { proxy } = await startProxy({ target: target.url, record });
    await proxy.close();
    expect(statSync(record).mode & 0o777).toBe(0o600);
    expect(read().log.entries).toEqual([]);
  });

  it('follows no link, and the proxy does not start without its record', async () => {
    const link = join(folder, 'link');
    symlinkSync(record, link);
    await expect(startProxy({ target: target.url, record: link })).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(startProxy({ target: target.url, record: folder })).rejects.toMatchObject({
      code: 'EISDIR',
    });
  });

  it('says how much of a long answer it leaves out', async () => {
    const har = await HarFile.create(record);
    const answer = { status: 200, statusText: 'OK', headers: [], body: Buffer.from('abc'), cutOff: 7 };
    const request = { method: 'GET', url: 'http://a/', headers: [], body: Buffer.alloc(0) };
    await har.add({ startedAt: 0, durationMs: 1, request, answer });
    await har.close();
    expect(read().log.entries[0].response.content).toMatchObject({
      size: 10,
      text: 'abc',
      comment: '7 bytes are left out at the end',
    });
  });
});
