/** Verifies signatures and does nothing else, when it is told to. */
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { timed } from '../harness.mjs';
import { answerQuestions } from './answer-questions.mjs';

const { seconds } = JSON.parse(process.argv[2]);
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const text = Buffer.alloc(300, 'MAuth');
const signature = sign('sha512', text, privateKey);
const measure = timed(
  () => verify('sha512', text, publicKey, signature),
  (isAuthentic) => isAuthentic,
  seconds,
);

answerQuestions({ verify: measure });
process.send({});
