import { Args, ID, Mutation, Query, Resolver } from '@nestjs/graphql';
import { AppUuid, Public } from 'nestjs-mauth';
import { Study } from './study.js';

@Resolver(() => Study)
export class StudyResolver {
  private readonly names = ['Mediflex'];

  @Query(() => Study)
  study(@Args('id', { type: () => ID }) id: string, @AppUuid() caller: string): Study {
    return { id, name: this.names[Number(id)] ?? 'unknown', caller };
  }

  @Mutation(() => Study)
  addStudy(@Args('name') name: string, @AppUuid() caller: string): Study {
    return { id: String(this.names.push(name) - 1), name, caller };
  }

  @Public()
  @Query(() => Number)
  studyCount(): number {
    return this.names.length;
  }
}
