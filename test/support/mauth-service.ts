import { type IncomingMessage } from 'node:http';
import {
  FakeMAuthService,
  type FakeMAuthServiceOptions,
  type MAuthServiceCall,
} from '../../lib/testing/fake-mauth-service.js';
import { type TestApp } from './test-app.js';

/** What is registered of an app. */
type RegisteredApp = Pick<TestApp, 'appUuid' | 'publicKeyPem'>;

export interface MAuthServiceStandInOptions extends FakeMAuthServiceOptions {
  /** Apps that the service knows from the start: those that ask it, and those that are asked about. */
  apps?: readonly RegisteredApp[];
}

/** The published fake, which knows the apps of these tests and counts what they look at. */
export class MAuthServiceStandIn extends FakeMAuthService {
  /** Headers of every request, in order. */
  readonly seenHeaders: IncomingMessage['headers'][] = [];
  /** How many connections were opened. */
  connections = 0;
  /** How many connections are open. */
  openConnections = 0;
  /** The most requests that were open at one moment. */
  mostOpen = 0;
  #open = 0;

  private constructor({ apps = [], ...options }: MAuthServiceStandInOptions) {
    super(options);
    for (const app of apps) this.register(app);
    this.maxAge(300);
    this.server.on('connection', (socket) => {
      this.connections++;
      this.openConnections++;
      socket.on('close', () => this.openConnections--);
    });
    this.server.on('request', ({ headers }, response) => {
      this.seenHeaders.push(headers);
      this.mostOpen = Math.max(this.mostOpen, ++this.#open);
      response.on('close', () => this.#open--);
    });
  }

  static override async start(options: MAuthServiceStandInOptions = {}): Promise<MAuthServiceStandIn> {
    const service = new MAuthServiceStandIn(options);
    await service.restart();
    return service;
  }

  override register(app: Parameters<FakeMAuthService['register']>[0] | RegisteredApp, pem?: string): this {
    if (typeof app === 'object' && 'publicKeyPem' in app)
      return super.register(app.appUuid, app.publicKeyPem);
    return super.register(app, pem);
  }

  /** How many security tokens were asked for, of one app or of all. */
  fetches(app?: string | Pick<TestApp, 'appUuid'>): number {
    const appUuid = (typeof app === 'object' ? app.appUuid : app)?.toLowerCase();
    return this.#count(
      (call) => call.kind === 'security_token' && call.appUuid === (appUuid ?? call.appUuid),
    );
  }

  /** How many authentication tickets were handed in. */
  get tickets(): number {
    return this.#count(({ kind }) => kind === 'authentication_ticket');
  }

  /** Why requests were refused for their own signature. */
  get refusals(): string[] {
    return this.calls.flatMap(({ refusal }) => refusal ?? []);
  }

  /** Drops its records, so that it does not grow over a long run. */
  forgetRequests(): void {
    this.calls.length = 0;
    this.seenHeaders.length = 0;
  }

  #count(isCounted: (call: MAuthServiceCall) => boolean): number {
    return this.calls.filter(isCounted).length;
  }
}

/** What the service says of an app. */
export function securityToken(app: RegisteredApp): { security_token: object } {
  return {
    security_token: {
      app_name: 'an-app',
      app_uuid: app.appUuid,
      public_key_str: app.publicKeyPem,
      created_at: '2020-01-01T00:00:00Z',
    },
  };
}
