import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import { mauthOptionsFromEnv, MAuthSigner, signedFetch } from 'nestjs-mauth/core';

/** `node dist/upload.js FILE [URL]`: sends a file as a form, signed by the app that the environment names. */
async function upload(path: string, origin = 'http://127.0.0.1:3000'): Promise<void> {
  const send = signedFetch(fetch, new MAuthSigner(mauthOptionsFromEnv()), { signedOrigins: [origin] });
  const form = new FormData();
  form.append('file', await openAsBlob(path), basename(path));
  const answer = await send(`${origin}/documents`, { method: 'POST', body: form });
  console.log(answer.status, await answer.text());
}

const [, , path, url] = process.argv;
if (path === undefined) throw new Error('Name a file: npm run upload -- FILE [URL]');
void upload(path, url);
