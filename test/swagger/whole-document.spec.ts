import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PLATFORMS } from '../support/running-app.js';
import { startStudyApp, VARIANTS } from './study-application.js';

/** With this variable the documents are written instead; what has changed in them is to be read. */
const isToBeWritten = process.env.MAUTH_WRITE_DOCUMENTS === 'true';

describe.each(PLATFORMS)('The whole document on %s', (_name, createAdapter) => {
  it.each(VARIANTS)(
    "is the expected one with protect: '%s' and versions by %s",
    async (protect, versioning) => {
      const { document, close } = await startStudyApp(createAdapter, protect, versioning);
      await close();
      const file = join(__dirname, `expected-document.${protect}.${versioning}.json`);
      const found = JSON.parse(JSON.stringify(document)) as unknown;
      if (isToBeWritten) writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`);
      expect(found).toEqual(JSON.parse(readFileSync(file, 'utf8')));
    },
  );
});
