import { Controller, Get, Header, NotFoundException, Param } from '@nestjs/common';
import { AppRegistry } from './app-registry.js';

/** Hands out public keys, as the MAuth service does. */
@Controller('mauth/v1/security_tokens')
export class SecurityTokensController {
  constructor(private readonly registry: AppRegistry) {}

  @Get(':file')
  @Header('Cache-Control', 'max-age=300, private')
  token(@Param('file') file: string) {
    const appUuid = file.replace(/\.json$/, '');
    const publicKey = this.registry.publicKeyOf(appUuid);
    if (!publicKey) throw new NotFoundException();
    return {
      security_token: {
        app_name: 'sample',
        app_uuid: appUuid,
        public_key_str: publicKey,
        created_at: new Date().toISOString(),
      },
    };
  }
}
