import { once } from 'node:events';

/** Resolves when the user, or who runs the process, ends it. */
export async function interrupted(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}
