import { request } from 'node:http';
import { expect } from './harness.mjs';

/**
 * Sends the bytes without announcing their length, all of them whatever the server answers meanwhile.
 *
 * @returns status and text of the answer
 */
export async function upload(port, { path, headers, bytes }) {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', method: 'POST', path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, text })).on('error', reject);
    });
    // Whoever has got an answer may lose the connection while still sending.
    sent.on('error', reject);
    let at = 0;
    const next = () => {
      while (at < bytes.length) {
        const chunk = bytes.subarray(at, (at += 65_536));
        if (!sent.write(chunk)) return sent.once('drain', next);
      }
      return sent.end();
    };
    next();
  });
}

export async function expectAnswer(answer, { status, text }) {
  expect(
    answer.status === status,
    `an upload is answered with ${answer.status} ${answer.text}, not with ${status}`,
  );
  if (text) expect(answer.text === text, `an upload is answered with ${answer.text}, not with ${text}`);
}
