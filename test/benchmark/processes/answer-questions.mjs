import { PerformanceObserver } from 'node:perf_hooks';

/** Answers the benchmark from within a child process: what it takes of the processor and of memory. */
export function answerQuestions(more = {}) {
  // Loading perf_hooks is all that is needed for the utilisation of the event loop.
  void PerformanceObserver;
  const answers = {
    usage: () => ({ ...process.cpuUsage(), loop: performance.eventLoopUtilization() }),
    memory: () => ({
      rss: process.memoryUsage.rss(),
      // In kilobytes, the highest since the process began.
      peak: process.resourceUsage().maxRSS * 1024,
    }),
    heap: () => {
      globalThis.gc();
      globalThis.gc();
      return { heap: process.memoryUsage().heapUsed };
    },
    ...more,
  };
  process.on('message', async (question) => process.send(await answers[question]()));
  process.on('disconnect', () => process.exit());
}
