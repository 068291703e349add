import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Bytes, the highest since the process began. */
function peakRss() {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  } catch {
    // Elsewhere than on Linux, where this would begin with what the parent process had.
    return process.resourceUsage().maxRSS * 1024;
  }
}

/** Answers the benchmark from within a child process: what it takes of the processor and of memory. */
export function answerQuestions(more = {}) {
  const answers = {
    usage: () => ({ ...process.cpuUsage(), loop: performance.eventLoopUtilization() }),
    memory: () => ({ rss: process.memoryUsage.rss(), peak: peakRss() }),
    heap: () => {
      globalThis.gc();
      globalThis.gc();
      return { heap: process.memoryUsage().heapUsed };
    },
    // Three collections with nothing pending take from V8 for good what it knew of the objects of `process.nextTick`,
    // which then costs a multiple, whatever the application. Otherwise it is chance which servers have had them.
    settle: async () => {
      for (let collection = 0; collection < 5; collection++) {
        await setTimeout(20);
        globalThis.gc();
      }
    },
    ...more,
  };
  process.on('message', async (question) => process.send((await answers[question]()) ?? {}));
  process.on('disconnect', () => process.exit());
}
