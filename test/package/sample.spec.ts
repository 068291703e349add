import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from './consumer.js';

const root = join(__dirname, '../..');
const main = join(root, 'sample/01-quick-start/dist/main.js');

describe('the built quick start sample', () => {
  it('ends with 0 when every call went as expected', () => {
    expect(run(process.execPath, [main], { cwd: root })).toMatch(/\n(\d+) of \1 calls went as expected\.\n$/);
  });

  it('goes on serving with --serve, and prints curl lines to try', async () => {
    const sample = spawn(process.execPath, [main, '--serve'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const curls: string[] = [];
      const lines = createInterface(sample.stdout)[Symbol.asyncIterator]();
      const next = async () => String((await lines.next()).value);
      for (let line = await next(); !line.startsWith('Ctrl-C'); line = await next()) {
        if (line.startsWith('curl')) curls.push(line);
      }
      const urls = curls.map((line) => /'(http[^']+)'/.exec(line)?.[1] as string);
      const statuses = await Promise.all(urls.map(async (url) => (await fetch(url)).status));
      // As typed without their headers: the public route, the client's overview, and three that need a signature.
      expect(statuses).toEqual([200, 401, 200, 401, 401]);
      await next();
      expect(await next()).toMatch(/^MAuth: GET \/studies from app .* is inauthentic \(missing_headers\)$/);
    } finally {
      sample.kill('SIGINT');
      await once(sample, 'exit');
    }
  });
});
