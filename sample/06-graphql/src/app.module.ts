import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { MAuthModule, mauthOptionsFromEnv } from 'nestjs-mauth';
import { StudyResolver } from './study.resolver.js';

@Module({
  imports: [
    MAuthModule.forRootAsync({
      protect: 'routes', // every resolver but the public ones
      // V1 does not cover the query string, which is where a query over GET is.
      useFactory: () => ({ ...mauthOptionsFromEnv(), v2OnlyAuthenticate: true }),
    }),
    GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true }),
  ],
  providers: [StudyResolver],
})
export class AppModule {}
