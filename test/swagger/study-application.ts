import {
  All,
  Controller,
  Get,
  Post,
  UseGuards,
  Version,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common';
import { type AbstractHttpAdapter } from '@nestjs/core';
import {
  ApiBearerAuth,
  ApiOperation,
  ApiResponse,
  DocumentBuilder,
  type OpenAPIObject,
} from '@nestjs/swagger';
import {
  MAuthGuard,
  MAuthModule,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  type MAuthModuleOptions,
} from '../../lib/index.js';
import { createMAuthDocument } from '../../lib/swagger/index.js';
import { RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

/** Every controller of it says another thing about MAuth, so that its document has one operation of every kind. */

export const rave = createTestApp('5ff4257e-9c16-11e0-b048-0026bbfffe5e');
export const stranger = createTestApp('11111111-9c16-11e0-b048-0026bbfffe5e');

/** No controller itself: its handlers are those of its children. */
class Listing {
  @Get('list')
  list() {}

  @RequiresMAuth()
  @Get('audit')
  audit() {}
}

@Controller('undecorated')
class UndecoratedController extends Listing {
  @Get('one/:id')
  one() {}

  @Post()
  add() {}

  @Get(['alias', 'other-alias'])
  alias() {}

  @Get('exempt')
  exempt() {}

  @UseGuards(MAuthGuard)
  @Get('guarded')
  guarded() {}
}

@Public()
@Controller('public')
class PublicController extends Listing {
  @Post()
  add() {}

  @ApiBearerAuth()
  @Get('bearer')
  bearer() {}

  @RequiresMAuth()
  @Get('closed/:id')
  closed() {}
}

@OptionalMAuth()
@Controller('optional')
class OptionalController extends Listing {
  @Post()
  add() {}

  @ApiBearerAuth()
  @Get('bearer')
  bearer() {}

  @RequiresMAuth({ apps: ['rave'] })
  @Get('apps')
  apps() {}
}

@RequiresMAuth()
@Controller('protected')
class ProtectedController extends Listing {
  @Public()
  @Get('status')
  status() {}

  @OptionalMAuth()
  @Post('maybe')
  maybe() {}

  @All('any')
  any() {}

  @ApiBearerAuth()
  @Get('bearer')
  bearer() {}

  @ApiOperation({ summary: 'Says its security itself', security: [] })
  @Get('own-security')
  ownSecurity() {}

  @ApiResponse({ status: 200, description: 'One study.' })
  @ApiResponse({ status: 401, description: 'Sign it.' })
  @Get('own-answers')
  ownAnswers() {}
}

@RequiresMAuth({ apps: ['rave'] })
@Controller('restricted')
class RestrictedController extends Listing {
  @Post()
  add() {}

  @RequiresMAuth({ apps: [stranger.appUuid] })
  @Get('other-app')
  otherApp() {}
}

// Children of controllers that have routes themselves: each handler is behind two of them.
@RequiresMAuth({ apps: ['rave'] })
@Controller('parent')
class ParentController {
  @Get('inherited')
  inherited() {}

  @Get('overridden')
  overridden() {}
}

@Public()
@Controller('public-child')
class PublicChildController extends ParentController {
  @Get('overridden')
  override overridden() {}

  @Get('own')
  own() {}
}

@Public()
@Controller('open-parent')
class OpenParentController {
  @Get('inherited')
  inherited() {}
}

@RequiresMAuth()
@Controller('protected-child')
class ProtectedChildController extends OpenParentController {}

@Controller('undecorated-child')
class UndecoratedChildController extends OpenParentController {}

@Controller({ path: 'versioned', version: ['1', '2'] })
class VersionedController {
  @Get()
  list() {}

  @Public()
  @Get('about')
  about() {}

  @RequiresMAuth()
  @Get('closed')
  closed() {}

  @OptionalMAuth()
  @Version('2')
  @Get('maybe')
  maybe() {}

  @RequiresMAuth({ apps: ['rave'] })
  @Version(['2', '3'])
  @Get('apps')
  apps() {}
}

@Controller({ version: VERSION_NEUTRAL })
class HealthController {
  @Get('health')
  health() {}

  @Get('health/details')
  details() {}
}

/** Parents stand before their children and behind them. */
const CONTROLLERS = [
  UndecoratedController,
  PublicController,
  OptionalController,
  ProtectedController,
  RestrictedController,
  ParentController,
  PublicChildController,
  ProtectedChildController,
  UndecoratedChildController,
  OpenParentController,
  VersionedController,
  HealthController,
];

export const PROTECTIONS = ['decorated', 'routes', 'everything'] as const;
export const VERSIONINGS = ['uri', 'header'] as const;
/** Of each `protect` and of each versioning. */
export const VARIANTS = PROTECTIONS.flatMap((protect) =>
  VERSIONINGS.map((versioning) => [protect, versioning] as const),
);
export const VERSION_HEADER = 'x-version';

export interface StudyApp extends RunningApp {
  readonly document: OpenAPIObject;
}

/** Starts the application, with a global prefix that some of its routes do not have. */
export async function startStudyApp(
  createAdapter: () => AbstractHttpAdapter,
  protect: (typeof PROTECTIONS)[number],
  versioning: (typeof VERSIONINGS)[number],
  options?: Parameters<typeof createMAuthDocument>[2],
): Promise<StudyApp> {
  const start = versioning === 'uri' ? '/api/v1' : '/api';
  const keys = new Map([rave, stranger].map(({ appUuid, publicKey }) => [appUuid, publicKey]));
  const module: MAuthModuleOptions = {
    appUuid: rave.appUuid,
    findPublicKey: (appUuid) => keys.get(appUuid),
    apps: { rave: rave.appUuid },
    protect,
    logger: new RecordingLogger(),
    ...(protect === 'everything' && { exempt: ['/health', `${start}/undecorated/exempt`] }),
  };
  let document!: OpenAPIObject;
  const running = await startApp(
    createAdapter,
    { imports: [MAuthModule.forRoot(module)], controllers: CONTROLLERS },
    undefined,
    (app) => {
      app.setGlobalPrefix('api', { exclude: ['health', 'health/details'] });
      if (versioning === 'uri') app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      else app.enableVersioning({ type: VersioningType.HEADER, header: VERSION_HEADER, defaultVersion: '1' });
      const config = new DocumentBuilder().setTitle('Studies').setVersion('1.0').addBearerAuth().build();
      document = createMAuthDocument(app, config, options);
    },
  );
  return { ...running, document };
}

export interface FoundOperation {
  readonly method: string;
  readonly path: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly statuses: readonly string[];
}

/** The operations of a document, in its order. */
export function operationsOf(document: OpenAPIObject): FoundOperation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item as Record<string, NonNullable<typeof item.get>>).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      security: operation.security ?? [],
      statuses: Object.keys(operation.responses),
    })),
  );
}
