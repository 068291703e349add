const BLOCK =
  /(?:<!-- (fragment|runs until it is interrupted, on port (\d+)) -->\n\n)?```(sh|text)\n([^]*?)```/g;

/** What the shell blocks of a page do, and what its text blocks say that they print. */
export interface PageScript {
  /** For bash. What runs until it is interrupted is started beside, and the rest goes on once it answers. */
  readonly script: string;
  readonly expected: readonly string[];
}

/** With the processes that they have started: each job has a group of its own (`set -m`). */
const END_ALL = `trap 'for job in $(jobs -p); do kill -- -$job || true; done' EXIT`;

/** A page as one script, from top to bottom, without its fragments. */
export function scriptOf(page: string): PageScript {
  const expected: string[] = [];
  const lines = ['set -em', END_ALL];
  for (const [, note, port, kind, content = ''] of page.matchAll(BLOCK)) {
    if (note === 'fragment') continue;
    if (kind === 'text') expected.push(...content.trimEnd().split('\n'));
    else if (port) lines.push(`${content.trim()} &`, untilOpen(port));
    else lines.push(content.trim(), 'echo');
  }
  return { script: lines.join('\n'), expected };
}

/** Up to a minute: on a slow machine an application takes its time to start. */
function untilOpen(port: string): string {
  return `for attempt in $(seq 600); do (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && break; sleep 0.1; done`;
}

/** The lines that a page shows and that were not printed; `…` stands for anything. */
export function notPrinted({ expected }: PageScript, output: string): string[] {
  const printed = output.split(/\r?\n/);
  const isPrinted = (wanted: string) =>
    printed.some((line) => wanted.split('…').every((part) => line.includes(part)));
  return expected.filter((wanted) => !isPrinted(wanted));
}
