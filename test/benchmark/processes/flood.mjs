/**
 * Sends requests as fast as they are answered, each under a UUID that was made up for it, until it is stopped. It is
 * ready when all its connections have been served: Node accepts one in each turn of its event loop, so who connects
 * behind hundreds that connect at once to a busy server waits for all of them.
 */
import autocannon from 'autocannon';
import { randomUUID } from 'node:crypto';
import { answerQuestions } from './answer-questions.mjs';

const { url, headers, appUuid, connections } = JSON.parse(process.argv[2]);
const counts = { 401: 0, 503: 0, others: 0 };
const madeUp = (value) => value.replace(appUuid, randomUUID());

const run = autocannon({
  url,
  connections,
  duration: 3600,
  timeout: 60,
  requests: [
    {
      method: 'GET',
      setupRequest: (request) => ({
        ...request,
        headers: { ...headers, 'MCC-Authentication': madeUp(headers['MCC-Authentication']) },
      }),
    },
  ],
});
const served = new Set();
run.on('response', (client, status) => {
  counts[status in counts ? status : 'others']++;
  if (served.size === connections || served.add(client).size < connections) return;
  answerQuestions({ counts: () => ({ ...counts, at: performance.now() }) });
  process.send({});
});
