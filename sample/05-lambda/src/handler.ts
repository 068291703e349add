import { type APIGatewayProxyEventV2, type Context } from 'aws-lambda';
import { withMAuth } from 'nestjs-mauth/lambda';

/**
 * The function that Lambda calls, configured from the environment. A request that is not authentic is answered before
 * it gets here; `appUuid` is the caller.
 */
export const handler = withMAuth(async (event: APIGatewayProxyEventV2, _context: Context, { appUuid }) => ({
  statusCode: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ study: 'Mediflex', caller: appUuid, bytes: event.body?.length ?? 0 }),
}));
