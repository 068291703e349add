/** A MAuth service that takes its time, and hands out one key for every app that is registered. */
import { createServer } from 'node:http';
import { answerQuestions } from './answer-questions.mjs';

const { appUuids, publicPem, latencyMs } = JSON.parse(process.argv[2]);
const registered = new Set(appUuids);
const counts = { asked: 0, open: 0, mostOpen: 0 };

const server = createServer((request, response) => {
  counts.asked++;
  counts.mostOpen = Math.max(counts.mostOpen, ++counts.open);
  setTimeout(() => {
    counts.open--;
    const [, appUuid] = /^\/mauth\/v1\/security_tokens\/(.{36})\.json$/.exec(request.url) ?? [];
    if (!registered.has(appUuid)) return response.writeHead(404).end();
    const security_token = { app_uuid: appUuid, public_key_str: publicPem };
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=3600' });
    response.end(JSON.stringify({ security_token }));
  }, latencyMs);
});
server.listen(0, '127.0.0.1', () => {
  answerQuestions({ counts: () => counts });
  process.send({ port: server.address().port });
});
