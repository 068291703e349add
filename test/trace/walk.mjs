import { AsyncLocalStorage } from 'node:async_hooks';

/** The calls of instrumented code, each under the one that made it, also across `await`. */
export class Walk {
  #calls = [];
  #isRecording = false;
  #current = new AsyncLocalStorage();

  /** What instrumented functions call. */
  enter(file, name, body) {
    if (!this.#isRecording) return body();
    const caller = this.#current.getStore();
    const call = { file, name, caller, depth: caller ? caller.depth + 1 : 0 };
    this.#calls.push(call);
    return this.#current.run(call, body);
  }

  /** Records what happens until the promise of `task` is settled. */
  async record(task) {
    this.#calls = [];
    this.#isRecording = true;
    try {
      await task();
    } finally {
      this.#isRecording = false;
    }
    return this.#calls;
  }
}

/** How many calls, in how many files, and how often the next call is in another file. */
export function countsOf(calls) {
  return {
    calls: calls.length,
    files: new Set(calls.map(({ file }) => file)).size,
    moves: calls.filter(({ file }, index) => calls[index - 1]?.file !== file).length,
  };
}

/** An indented list. */
export function linesOf(calls) {
  return calls.map(({ file, name, caller, depth }) => {
    const place = caller?.file === file ? '' : `   ${file}`;
    return `${'  '.repeat(depth)}${name}${place}`;
  });
}

/** The first call of a function, and all that it leads to. */
export function below(name, calls) {
  const first = calls.find((call) => call.name === name);
  const isBelow = (call) => call === first || (call.caller !== undefined && isBelow(call.caller));
  return calls.filter(isBelow);
}
