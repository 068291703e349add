import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of the benchmark: it says when it is ready, and then answers questions. */
export class Child {
  #process;
  #answers = [];

  /** @param options handed to the script as JSON; its first message is `ready` */
  static async start(script, options = {}) {
    const child = new Child();
    child.#process = fork(fileURLToPath(new URL(script, import.meta.url)), [JSON.stringify(options)], {
      // Log lines are written, but to nobody.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: ['--expose-gc'],
    });
    child.#process.on('message', (message) => child.#answers.shift()?.resolve(message));
    child.#process.on('exit', (code) =>
      child.#answers.splice(0).forEach(({ reject }) => reject(new Error(`${script} ended (${code}).`))),
    );
    child.ready = await child.#answer();
    return child;
  }

  ask(question) {
    this.#process.send(question);
    return this.#answer();
  }

  async stop() {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await gone;
  }

  #answer() {
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
  }
}
