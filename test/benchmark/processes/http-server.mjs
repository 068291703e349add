/** A bare HTTP server, so that clients are what is measured. It answers with the versions that a request is signed with. */
import { createServer } from 'node:http';
import { answerQuestions } from './answer-questions.mjs';

const server = createServer((request, response) => {
  const { headers } = request;
  const versions = [headers['x-mws-authentication'] && 'v1', headers['mcc-authentication'] && 'v2'];
  const answer = versions.filter(Boolean).join() || 'unsigned';
  request.resume().on('end', () => response.writeHead(200, { 'content-type': 'text/plain' }).end(answer));
});
// Clients that wait for their turn find their connections open.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  answerQuestions();
  process.send({ port: server.address().port });
});
