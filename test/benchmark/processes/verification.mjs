/** Verifies signatures and does nothing else, when it is told to. */
import { timed } from '../harness.mjs';
import { answerQuestions } from './answer-questions.mjs';
import { bareVerification } from './bare-verification.mjs';

const { seconds } = JSON.parse(process.argv[2]);

answerQuestions({ verify: timed(bareVerification(), (isAuthentic) => isAuthentic, seconds) });
process.send({});
