import {
  ForbiddenException,
  type HttpException,
  ServiceUnavailableException,
  UnauthorizedException,
} from '@nestjs/common';
import { answerFor, type MAuthInboundFailure } from '../../lib/http/refusals.js';
import {
  MAuthForbiddenException,
  MAuthUnauthorizedException,
  MAuthUnavailableException,
  MAuthUnsupportedContextException,
} from '../../lib/nest/mauth.exceptions.js';
import { resolveSettings } from '../../lib/config/settings.js';

const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const settings = resolveSettings({ appUuid, findPublicKey: () => undefined, keys: { cooldownSeconds: 7 } });
const asOlderClients = resolveSettings({ appUuid, findPublicKey: () => undefined, undecidedStatus: 500 });

const unauthorized = '{"errors":{"mauth":["Unauthorized"]}}';
const undecided = '{"errors":{"mauth":["Could not determine request authenticity"]}}';
const missingV2 =
  '{"type":"errors:mauth:missing_v2","title":"This service requires mAuth v2 mcc-authentication header. ' +
  'Upgrade your mAuth library and configure it properly."}';

describe('The answer to a refused request', () => {
  const answers: [MAuthInboundFailure, number, string, Record<string, string>][] = [
    [{ authentic: false, status: 401, code: 'missing_headers' }, 401, unauthorized, {}],
    [{ authentic: false, status: 401, code: 'signature_mismatch' }, 401, unauthorized, {}],
    [{ authentic: false, status: 401, code: 'unknown_app' }, 401, unauthorized, {}],
    [{ authentic: false, status: 401, code: 'ambiguous_path' }, 401, unauthorized, {}],
    [{ authentic: false, status: 401, code: 'missing_v2' }, 401, missingV2, {}],
    [
      { authentic: true, status: 403, code: 'app_not_allowed' },
      403,
      '{"errors":{"mauth":["Forbidden"]}}',
      {},
    ],
    [{ authentic: false, status: 503, code: 'service_unavailable' }, 503, undecided, { 'retry-after': '7' }],
    [{ authentic: false, status: 503, code: 'body_budget_full' }, 503, undecided, { 'retry-after': '1' }],
    [
      { authentic: false, status: 413, code: 'body_too_large' },
      413,
      '{"errors":{"mauth":["Request body too large"]}}',
      {},
    ],
    [
      { authentic: false, status: 408, code: 'body_timeout' },
      408,
      '{"errors":{"mauth":["Request body timed out"]}}',
      { connection: 'close' },
    ],
    [
      { authentic: false, status: 400, code: 'body_aborted' },
      400,
      '{"errors":{"mauth":["Request body incomplete"]}}',
      {},
    ],
  ];

  it.each(answers)('%j', (failure, status, body, headers) => {
    const answer = answerFor(failure, settings);
    expect({ ...answer, body: JSON.stringify(answer.body) }).toEqual({ status, headers, body });
  });

  it('is that of older clients where `undecidedStatus` is 500', () => {
    const answer = answerFor({ authentic: false, status: 503, code: 'service_unavailable' }, asOlderClients);
    expect({ ...answer, body: JSON.stringify(answer.body) }).toEqual({
      status: 500,
      headers: {},
      body: undecided,
    });
  });

  it('stays 503 for a full budget, which is not a question of authenticity', () => {
    const answer = answerFor({ authentic: false, status: 503, code: 'body_budget_full' }, asOlderClients);
    expect(answer.status).toBe(503);
  });

  it('cannot be changed by whoever gets hold of it', () => {
    const { body } = answerFor({ authentic: false, status: 401, code: 'unknown_app' }, settings);
    expect(() => Object.assign(body, { errors: 'none' })).toThrow(TypeError);
  });
});

describe("The exceptions are Nest's own kinds", () => {
  const exceptions: [HttpException, new () => HttpException, number, string][] = [
    [new MAuthUnauthorizedException(), UnauthorizedException, 401, unauthorized],
    [new MAuthForbiddenException(), ForbiddenException, 403, '{"errors":{"mauth":["Forbidden"]}}'],
    [new MAuthUnavailableException(), ServiceUnavailableException, 503, undecided],
    [new MAuthUnavailableException(500), ServiceUnavailableException, 500, undecided],
    [new MAuthUnsupportedContextException('rpc'), MAuthUnauthorizedException, 401, unauthorized],
  ];

  it.each(exceptions)('%s', (exception, kind, status, body) => {
    expect(exception).toBeInstanceOf(kind);
    expect(exception.getStatus()).toBe(status);
    expect(JSON.stringify(exception.getResponse())).toBe(body);
  });

  it('names the kind of handler and the remedy where MAuth cannot work', () => {
    expect(new MAuthUnsupportedContextException('ws').message).toMatch(/type "ws".*@Public\(\)/);
  });
});
