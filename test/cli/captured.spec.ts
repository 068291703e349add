import fc from 'fast-check';
import { readCurlLine } from '../../lib/cli/captured/curl-line.js';
import { readHarEntry } from '../../lib/cli/captured/har-entry.js';
import { readWireRequest } from '../../lib/cli/captured/wire-request.js';
import { CommandFailure } from '../../lib/cli/exit-codes.js';
import { headerOf, readRequest } from '../../lib/cli/outgoing-request.js';

/** What a reader says of input: that it holds a request, or what is wrong with it. Never anything else. */
function reads(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(CommandFailure);
  }
}

const likely = (...parts: string[]) =>
  fc
    .array(fc.oneof(fc.constantFrom(...parts), fc.string({ maxLength: 8 })), { maxLength: 20 })
    .map((all) => all.join(''));

describe('What was recorded somewhere', () => {
  it('never breaks its reader: a request as on the wire', () => {
    const text = likely(
      'GET / HTTP/1.1',
      '\r\n',
      '\n',
      'a: b',
      'Transfer-Encoding: chunked',
      '0',
      '5',
      ';',
      ' ',
    );
    fc.assert(
      fc.property(text, (input) => reads(() => readWireRequest(Buffer.from(input)))),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (input) => reads(() => readWireRequest(Buffer.from(input)))));
  });

  it('never breaks its reader: a line of curl', () => {
    const text = likely(
      'curl ',
      "'",
      '"',
      "$'",
      '\\',
      ' -H ',
      ' -d ',
      ' --data-raw=',
      'http://a/',
      ' -X',
      '@',
      '-',
    );
    fc.assert(
      fc.property(text, (input) => reads(() => readCurlLine(`curl ${input}`))),
      { numRuns: 2000 },
    );
  });

  it('never breaks its reader: a HAR file', () => {
    const request = fc.record({
      method: fc.anything(),
      url: fc.anything(),
      headers: fc.anything(),
      postData: fc.anything(),
    });
    const entries = fc.array(fc.oneof(fc.record({ request }), fc.anything()));
    const json = fc.oneof(
      fc.json(),
      entries.map((all) => JSON.stringify({ log: { entries: all } })),
      fc.string(),
    );
    fc.assert(
      fc.property(json, (text) => reads(() => readHarEntry(text ?? ''))),
      { numRuns: 2000 },
    );
  });

  it('keeps every byte of a body', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (body) => {
        const head = Buffer.from('POST /a HTTP/1.1\r\nA: b\r\n\r\n');
        expect(readWireRequest(Buffer.concat([head, body])).body).toEqual(Buffer.from(body));
      }),
    );
  });

  it('has the words of curl as a shell reads them', () => {
    const read = (line: string) => {
      const { body, headers, ...others } = readCurlLine(line);
      return { ...others, body: body.toString(), headers };
    };
    expect(read(`curl -XPUT 'http://a/b?c' -H'A: b' --header="C;" -d a=1 --data 'b=2'`)).toEqual({
      method: 'PUT',
      url: '/b?c',
      headers: [
        ['A', 'b'],
        ['C', ''],
      ],
      body: 'a=1&b=2',
    });
    expect(read(`curl a.example -I -A me`)).toMatchObject({
      method: 'HEAD',
      url: '/',
      headers: [['User-Agent', 'me']],
    });
    expect(read(`curl --url http://a/ -b 'a=b' --json $'{\\n}'`)).toMatchObject({
      method: 'POST',
      body: '{\n}',
    });
    expect(read('curl http://a/\\ b "c\\"d" http://a/last')).toMatchObject({ url: '/last' });
  });
});

describe('What is typed', () => {
  it('never becomes more than one header or one request line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string({ unit: 'binary' }), async (word, header) => {
        try {
          const { target, headers } = await readRequest(['GET', `http://a.example/${word}`], {
            header: [header],
          });
          expect(target).toMatch(/^\/[\x21-\x7e]*$/);
          for (const [name, value] of headers) expect(`${name}: ${value}`).not.toMatch(/[\r\n\0]/);
        } catch (error) {
          expect(error).toBeInstanceOf(CommandFailure);
        }
      }),
      { numRuns: 2000 },
    );
    expect(headerOf('A:b')).toEqual(['A', 'b']);
  });
});
