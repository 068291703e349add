import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { All, Controller, Get, Module, Post, Put, UseGuards } from '@nestjs/common';
import { MAuthGuard, MAuthModule, OptionalMAuth, Public, RequiresMAuth } from '../../lib/index.js';

const RAVE = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const OTHER = '836a454e-7f14-4192-8f5a-2a9d3d66f70c';

class Base {
  @Get('inherited')
  inherited() {}
}

@RequiresMAuth({ apps: ['rave', OTHER] })
@Controller('studies')
class StudiesController extends Base {
  @Get(':id')
  one() {}

  @RequiresMAuth({ apps: ['rave'] })
  @Post()
  add() {}

  @OptionalMAuth()
  @Get('optional')
  optional() {}
}

@Controller()
class PlainController {
  @Public()
  @Get('public')
  open() {}

  @Get('plain')
  plain() {}

  @Get('health')
  health() {}

  @UseGuards(MAuthGuard)
  @Put(['guarded', 'guarded-too'])
  guarded() {}

  @All('any')
  any() {}
}

@Module({
  imports: [
    MAuthModule.forRoot({
      appUuid: RAVE,
      findPublicKey: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
      apps: { rave: RAVE },
      protect: (process.env.PROTECT ?? 'decorated') as 'decorated',
      exempt: ['/health'],
    }),
  ],
  controllers: [StudiesController, PlainController],
})
export class AppModule {}
