import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

/** The command of an installed Chromium; undefined where there is none. */
export function chromiumCommand(): string | undefined {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .trim();
    } catch {
      continue;
    }
  }
  return undefined;
}

/** A headless Chromium with one page, driven over its debugging protocol. */
export class Chromium {
  #number = 0;
  private constructor(
    readonly socket: WebSocket,
    readonly session: string,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(command: string): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), 'chromium-'));
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--remote-debugging-port=0',
    ];
    const child = spawn(command, [...flags, `--user-data-dir=${folder}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const socket = new WebSocket(await debuggerOf(child.stderr));
    await once(socket, 'open');
    const stop = async () => {
      const ended = once(child, 'exit');
      socket.send(JSON.stringify({ id: 0, method: 'Browser.close' }));
      await ended;
      socket.terminate();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    const { targetInfos } = await call(socket, 1, 'Target.getTargets', {});
    const { targetId } = targetInfos.find(({ type }: { type: string }) => type === 'page');
    const { sessionId } = await call(socket, 2, 'Target.attachToTarget', { targetId, flatten: true });
    const browser = new Chromium(socket, sessionId, stop);
    browser.#number = 2;
    return browser;
  }

  async open(url: string): Promise<void> {
    await this.#call('Page.navigate', { url });
    await this.until('document.readyState === "complete"');
  }

  /** The value of an expression; a promise is waited for. */
  async evaluate(expression: string): Promise<any> {
    const { result } = await this.#call('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    return result.value;
  }

  async until(expression: string): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      if ((await this.evaluate(expression)) === true) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never true: ${expression}\n${await this.evaluate('document.body.innerText')}`);
  }

  #call(method: string, params: object) {
    return call(this.socket, ++this.#number, method, params, this.session);
  }
}

async function debuggerOf(stderr: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stderr })) {
    const [, url] = /DevTools listening on (ws:.*)/.exec(line) ?? [];
    if (url) {
      stderr.resume();
      return url;
    }
  }
  throw new Error('Chromium did not start');
}

function call(
  socket: WebSocket,
  id: number,
  method: string,
  params: object,
  sessionId?: string,
): Promise<any> {
  return new Promise((resolve, reject) => {
    const take = (data: Buffer) => {
      const message = JSON.parse(data.toString());
      if (message.id !== id) return;
      socket.off('message', take);
      if (message.error) reject(new Error(message.error.message));
      else resolve(message.result);
    };
    socket.on('message', take);
    socket.send(JSON.stringify({ id, method, params, sessionId }));
  });
}
