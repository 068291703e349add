import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type Type } from '@nestjs/common';
import { type AbstractHttpAdapter } from '@nestjs/core';
import { Args, GraphQLModule, Mutation, Query, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import { WebSocket } from 'ws';
import {
  AppUuid,
  MAuthCaller,
  MAuthModule,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  type MAuthIdentity,
  type MAuthProtection,
} from '../../lib/index.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { optionsFor, Witness } from './inbound-app.js';
import { startApp, type RunningApp } from './running-app.js';

const SCHEMA = `
  type Study { id: ID!, owner: String! }
  type Query {
    study(id: ID!): Study!
    whoAmI: String!
    visitor: String!
    open: String!
    openCaller: String!
    forOthers: String!
    small: String!
  }
  type Mutation { create(name: String!): String! }
  type Subscription { ticks: Int!, openTicks: Int! }
`;

/** Names of the resolvers that ran, in order. */
export const ran: string[] = [];

function runs<T>(name: string, answer: T): T {
  ran.push(name);
  return answer;
}

async function* ticks() {
  yield { ticks: runs('ticks', 1), openTicks: 1 };
}

@RequiresMAuth()
@Resolver('Study')
class StudyResolver {
  @Query('study')
  study(@Args('id') id: string) {
    return runs('study', { id });
  }

  @ResolveField('owner')
  owner(@AppUuid() appUuid: string) {
    return runs('owner', appUuid);
  }

  @Query('whoAmI')
  whoAmI(@MAuthCaller() { appUuid, protocolVersion }: MAuthIdentity) {
    return runs('whoAmI', `${appUuid} with version ${protocolVersion}`);
  }

  @OptionalMAuth()
  @Query('visitor')
  visitor(@AppUuid({ optional: true }) appUuid?: string) {
    return runs('visitor', appUuid ?? 'nobody');
  }

  @Public()
  @Query('open')
  open() {
    return runs('open', 'open');
  }

  @Public()
  @Query('openCaller')
  openCaller(@AppUuid() appUuid: string) {
    return runs('openCaller', appUuid);
  }

  @RequiresMAuth({ apps: ['5ff4257e-9c16-11e0-b048-0026bbfffe5e'] })
  @Query('forOthers')
  forOthers() {
    return runs('forOthers', 'secret');
  }

  @RequiresMAuth({ maxBodyBytes: 40 })
  @Query('small')
  small() {
    return runs('small', 'small');
  }

  @Mutation('create')
  create(@Args('name') name: string) {
    return runs('create', name);
  }

  @Subscription('ticks')
  ticks() {
    return ticks();
  }

  @Public()
  @Subscription('openTicks')
  openTicks() {
    return ticks();
  }
}

export interface GraphqlApp extends Pick<RunningApp, 'close'> {
  readonly witness: Witness;
  readonly port: number;
}

/** A Nest application with Apollo, whose operations all but a few are for authentic callers. */
export async function startGraphqlApp(
  createAdapter: () => AbstractHttpAdapter,
  options: {
    protect?: MAuthProtection;
    mauth?: Partial<MAuthOptions>;
    context?: unknown;
    resolver?: Type<unknown>;
  } = {},
): Promise<GraphqlApp> {
  const { protect = 'decorated', mauth, context, resolver = StudyResolver } = options;
  ran.length = 0;
  const witness = new Witness();
  const graphql: ApolloDriverConfig = {
    driver: ApolloDriver,
    typeDefs: SCHEMA,
    subscriptions: { 'graphql-ws': true },
    fieldResolverEnhancers: ['guards'],
    allowBatchedHttpRequests: true,
    includeStacktraceInErrorResponses: false,
    ...(context !== undefined && { context }),
  };
  const { url, close } = await startApp(createAdapter, {
    imports: [
      MAuthModule.forRoot({ ...optionsFor(witness, mauth), protect }),
      GraphQLModule.forRoot(graphql),
    ],
    providers: [resolver],
  });
  return { witness, port: Number(new URL(url).port), close };
}

/** Runs one operation over a WebSocket, as clients of graphql-ws do; resolves to what came back. */
export async function overSocket(
  port: number,
  query: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', { headers });
  const received: string[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject).on('close', () => resolve());
      socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })));
      socket.on('message', (data: Buffer) => {
        const { type } = JSON.parse(data.toString()) as { type: string };
        received.push(data.toString());
        if (type === 'connection_ack') {
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
        }
        if (type === 'complete' || type === 'error') resolve();
      });
    });
  } finally {
    socket.terminate();
  }
  return received.slice(1).join('\n');
}
