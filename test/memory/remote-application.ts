import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { service, startInboundApp, type PlatformName } from '../support/inbound-app.js';

/**
 * An application in remote mode, as a process of its own: it says where it listens and which app it is, and then what
 * memory it takes, once it is asked to begin and once it is asked to end.
 */
const { platform, options } = JSON.parse(process.argv[2] ?? '') as {
  platform: PlatformName;
  options: Partial<MAuthOptions>;
};

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes; `held` is what counts against the budget. */
export interface MemoryFigures {
  readonly rss: number;
  readonly external: number;
  readonly held: number;
}

function figures(): MemoryFigures {
  const { rss, external } = process.memoryUsage();
  return { rss, external, held: HeldBytesBudget.held };
}

let highest = figures();
let timer: NodeJS.Timeout | undefined;

function look(): void {
  const now = figures();
  highest = {
    rss: Math.max(highest.rss, now.rss),
    external: Math.max(highest.external, now.external),
    held: Math.max(highest.held, now.held),
  };
}

process.on('message', (question) => {
  if (question === 'begin') {
    collectGarbage();
    highest = figures();
    timer = setInterval(look, 2);
    process.send?.(highest);
  } else {
    look();
    clearInterval(timer);
    process.send?.(highest);
  }
});
process.on('disconnect', () => process.exit());

void startInboundApp(platform, {
  options: { ...options, findPublicKey: undefined },
  prepare: (nest) => {
    if (platform !== 'Fastify') return;
    const instance = nest.getHttpAdapter().getInstance() as {
      addContentTypeParser(
        type: string,
        parser: (...of: [unknown, unknown, (...of: unknown[]) => void]) => void,
      ): void;
    };
    instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  },
}).then(({ port }) => {
  const { appUuid, publicKeyPem } = service;
  process.send?.({ port, appUuid, publicKeyPem });
});
