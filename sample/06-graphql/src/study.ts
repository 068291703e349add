import { Field, ID, ObjectType } from '@nestjs/graphql';

@ObjectType()
export class Study {
  @Field(() => ID)
  id!: string;

  @Field(() => String)
  name!: string;

  @Field(() => String, { description: 'The app that asked.' })
  caller!: string;
}
