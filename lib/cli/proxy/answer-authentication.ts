import { type IncomingMessage } from 'node:http';
import { type MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { heldBody } from './held-body.js';
import { rawHeaders } from './raw-headers.js';
import { Refusal } from './refusal.js';

/** Answers up to this many bytes are authenticated. */
export const LONGEST_ANSWER = 10 * 1024 * 1024;

/**
 * Reads an answer and authenticates it.
 *
 * @returns its body, the bytes as they came
 * @throws Refusal with 502 where it is inauthentic, too long or cut off, 504 where it takes too long, 503 where it
 * could not be decided
 */
export async function authenticAnswer(
  answer: IncomingMessage,
  authenticator: MAuthAuthenticator,
  { isHead, timeoutMs }: { isHead: boolean; timeoutMs: number },
): Promise<Buffer> {
  const status = answer.statusCode ?? 0;
  const body = await bodyOf(answer, { isHead, timeoutMs });
  const result = await authenticator.authenticateResponse({
    status,
    headers: rawHeaders(answer.rawHeaders),
    body,
  });
  if (result.authentic) return body;
  if (result.status === 503) {
    throw new Refusal(
      503,
      `Whether the answer of the target (status ${status}) is authentic could not be decided (${result.code}): ` +
        'check the MAuth service with "mauth doctor", and try again.',
    );
  }
  throw new Refusal(
    502,
    `The answer of the target (status ${status}) is not authentic (${result.code}), so it is not passed on. ` +
      'If the target does not sign its answers, start the proxy with --no-authenticate.',
  );
}

async function bodyOf(
  answer: IncomingMessage,
  { isHead, timeoutMs }: { isHead: boolean; timeoutMs: number },
) {
  if (isHead) {
    answer.resume(); // `Content-Length` is of the body that a GET would have had.
    return Buffer.alloc(0);
  }
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    answer.destroy();
  }, timeoutMs);
  answer.on('data', () => timer.refresh());
  try {
    const body = await heldBody(answer, LONGEST_ANSWER);
    if (body) return body;
  } catch (cause) {
    if (isLate) throw new Refusal(504, 'The target stopped in the middle of its answer.', { cause });
    throw new Refusal(502, 'The target closed the connection in the middle of its answer.', { cause });
  } finally {
    clearTimeout(timer);
  }
  answer.destroy();
  throw new Refusal(
    502,
    'The answer of the target is longer than 10 MiB, which is the most that is authenticated. ' +
      'Start the proxy with --no-authenticate to have answers passed on as they come.',
  );
}
