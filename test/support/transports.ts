import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import {
  ClientProxyFactory,
  Transport,
  type ClientOptions,
  type MicroserviceOptions,
  type RedisOptions,
  type TcpOptions,
} from '@nestjs/microservices';
import { firstValueFrom, timeout } from 'rxjs';
import { freePort } from './free-port.js';
import { RedisServer } from './redis-server.js';

/** What a caller gets: the answer of a handler, or the error in its place. */
export type Reply = { readonly answer: unknown } | { readonly error: Record<string, unknown> };

/** One way to reach message handlers over the loopback. */
export interface MessageTransport {
  /** For `connectMicroservice` and `createMicroservice`. */
  readonly options: MicroserviceOptions;
  /** Calls the handler of the pattern `ask`, on gRPC `Studies.Ask`. */
  ask(): Promise<Reply>;
  /** Sends the event `tell`; gRPC has none. */
  tell?(): Promise<void>;
  close(): Promise<void>;
}

/** By name, for `describe.each`. */
export const TRANSPORTS: Readonly<Record<'TCP' | 'Redis' | 'gRPC', () => Promise<MessageTransport>>> = {
  TCP: async () => {
    const options = { host: '127.0.0.1', port: await freePort() };
    return throughClientProxy({ transport: Transport.TCP, options });
  },
  Redis: async () => {
    const server = await RedisServer.start();
    const options = { host: '127.0.0.1', port: server.port };
    return throughClientProxy({ transport: Transport.REDIS, options }, () => server.close());
  },
  gRPC: async () => {
    const service = await GrpcService.start();
    return {
      options: service.options,
      ask: () => service.unary('Ask'),
      close: async () => service.close(),
    };
  },
};

function throughClientProxy(
  options: TcpOptions | RedisOptions,
  after: () => unknown = () => undefined,
): MessageTransport {
  const client = ClientProxyFactory.create(options as ClientOptions);
  return {
    options,
    ask: async () => {
      await client.connect();
      return firstValueFrom(client.send('ask', {}).pipe(timeout(5_000))).then(
        (answer: unknown) => ({ answer }),
        (error: Record<string, unknown>) => ({ error }),
      );
    },
    tell: async () => {
      await client.connect();
      await firstValueFrom(client.emit('tell', {}), { defaultValue: undefined });
    },
    close: async () => {
      await client.close();
      await after();
    },
  };
}

const PROTO = `
syntax = "proto3";
package studies;
message Text { string text = 1; }
service Studies {
  rpc Ask (Text) returns (Text);
  rpc List (Text) returns (stream Text);
  rpc Upload (stream Text) returns (Text);
  rpc Chat (stream Text) returns (stream Text);
  rpc RawUpload (stream Text) returns (Text);
  rpc RawChat (stream Text) returns (stream Text);
}`;

type Call = grpc.ClientReadableStream<unknown> & grpc.ClientWritableStream<unknown>;
type Callback = (error: grpc.ServiceError | null, answer: unknown) => void;

/** A gRPC service of six methods, two of them for handlers that take the call as it is, and its client. */
export class GrpcService {
  private constructor(
    private readonly folder: string,
    private readonly client: grpc.Client & Record<string, (...parameters: unknown[]) => Call>,
    readonly options: MicroserviceOptions,
  ) {}

  static async start(): Promise<GrpcService> {
    const folder = mkdtempSync(join(tmpdir(), 'proto-'));
    const protoPath = join(folder, 'studies.proto');
    writeFileSync(protoPath, PROTO);
    const url = `127.0.0.1:${await freePort()}`;
    const { studies } = grpc.loadPackageDefinition(loadSync(protoPath)) as unknown as {
      studies: { Studies: new (address: string, credentials: grpc.ChannelCredentials) => never };
    };
    const client = new studies.Studies(url, grpc.credentials.createInsecure());
    const options = { transport: Transport.GRPC, options: { package: 'studies', protoPath, url } } as const;
    return new GrpcService(folder, client, options);
  }

  unary(method: string): Promise<Reply> {
    return new Promise((resolve) => void this.#start(method, [{}], repliedTo(resolve)));
  }

  serverStream(method: string): Promise<Reply> {
    return replyOf(this.#start(method, [{}]));
  }

  clientStream(method: string): Promise<Reply> {
    return new Promise((resolve) => this.#start(method, [], repliedTo(resolve)).end({ text: 'last' }));
  }

  bothStream(method: string): Promise<Reply> {
    const call = this.#start(method, []);
    const reply = replyOf(call);
    call.end({ text: 'last' });
    return reply;
  }

  close(): void {
    this.client.close();
    rmSync(this.folder, { recursive: true });
  }

  #start(method: string, parameters: unknown[], callback?: Callback): Call {
    const deadline = { deadline: Date.now() + 5_000 };
    return this.client[method].call(this.client, ...parameters, deadline, ...(callback ? [callback] : []));
  }
}

function repliedTo(resolve: (reply: Reply) => void): Callback {
  return (error, answer) => resolve(error ? { error: described(error) } : { answer });
}

function replyOf(call: Call): Promise<Reply> {
  return new Promise((resolve) => {
    const answer: unknown[] = [];
    call.on('data', (one) => answer.push(one));
    call.on('error', (error: grpc.ServiceError) => resolve({ error: described(error) }));
    call.on('end', () => resolve({ answer }));
  });
}

const described = ({ code, details }: grpc.ServiceError) => ({ code, message: details });
