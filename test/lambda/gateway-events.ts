/** A request on the wire, in front of the gateway. */
export interface WireRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Buffer;
}

/** A gateway that turns requests into events as AWS does. */
export interface Gateway {
  readonly name: string;
  /** What stands in front of each path that the function knows. */
  readonly prefix: string;
  event(request: WireRequest): Record<string, any>;
}

type Lists = Record<string, string[]>;

const STAGE = 'prod';

/** REST API: the path as spelled and without its stage, the query decoded. */
export const restApi: Gateway = {
  name: 'a REST API',
  prefix: `/${STAGE}`,
  event(request) {
    const { path, query } = split(request.target);
    const parameters = listsOf(query, decodedParameter);
    return {
      resource: '/{proxy+}',
      path: path.slice(STAGE.length + 1) || '/',
      httpMethod: request.method,
      headers: lastOf(headerLists(request)),
      multiValueHeaders: headerLists(request),
      queryStringParameters: query === '' ? null : lastOf(parameters),
      multiValueQueryStringParameters: query === '' ? null : parameters,
      pathParameters: null,
      stageVariables: null,
      requestContext: { stage: STAGE, path, httpMethod: request.method, identity: { sourceIp: '192.0.2.1' } },
      ...bodyOf(request, null),
    };
  },
};

/** REST API behind a domain of one's own with a base path: nothing is cut off. */
export const restApiWithDomain: Gateway = {
  name: 'a REST API with a custom domain',
  prefix: '/base',
  event(request) {
    const event = restApi.event(request);
    const { path } = event.requestContext;
    return { ...event, path };
  },
};

/** HTTP API, payload format 2.0: the path decoded, the query as sent. */
export const httpApi: Gateway = {
  name: 'an HTTP API',
  prefix: `/${STAGE}`,
  event: (request) => payloadV2(request, 'abc123.execute-api.eu-west-1.amazonaws.com', decoded),
};

/** HTTP API with the stage `$default`, which nobody writes. */
export const httpApiWithoutStage: Gateway = { ...httpApi, name: 'an HTTP API without stage', prefix: '' };

/** HTTP API, payload format 1.0: path and query decoded. */
export const httpApiV1: Gateway = {
  name: 'an HTTP API with payload format 1.0',
  prefix: `/${STAGE}`,
  event(request) {
    const event = restApi.event(request);
    const path = decoded(split(request.target).path);
    return { ...event, version: '1.0', path, requestContext: { ...event.requestContext, path } };
  },
};

/** Function URL: path and query as sent. */
export const functionUrl: Gateway = {
  name: 'a Function URL',
  prefix: '',
  event: (request) => payloadV2(request, 'abc123.lambda-url.eu-west-1.on.aws', (path) => path),
};

/** Application Load Balancer: path and query as sent, of repeated headers and parameters the last one. */
export const loadBalancer: Gateway = {
  name: 'a load balancer',
  prefix: '',
  event(request) {
    const { path, query } = split(request.target);
    return {
      requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b' } },
      httpMethod: request.method,
      path,
      queryStringParameters: lastOf(listsOf(query, (text) => text)),
      headers: lastOf(headerLists(request)),
      ...bodyOf(request, ''),
    };
  },
};

/** Application Load Balancer whose target group has multi-value headers switched on. */
export const loadBalancerWithLists: Gateway = {
  name: 'a load balancer with multi-value headers',
  prefix: '',
  event(request) {
    const { headers: _headers, queryStringParameters: _query, ...rest } = loadBalancer.event(request);
    return {
      ...rest,
      multiValueHeaders: headerLists(request),
      multiValueQueryStringParameters: listsOf(split(request.target).query, (text) => text),
    };
  },
};

export const GATEWAYS = [
  restApi,
  restApiWithDomain,
  httpApi,
  httpApiV1,
  functionUrl,
  loadBalancer,
  loadBalancerWithLists,
] as const;

function payloadV2(request: WireRequest, domainName: string, spelling: (path: string) => string) {
  const { path, query } = split(request.target);
  const rawPath = spelling(path);
  const { body, isBase64Encoded } = bodyOf(request, null);
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString: query,
    headers: Object.fromEntries(
      Object.entries(headerLists(request)).map(([name, all]) => [name, all.join(',')]),
    ),
    ...(query !== '' && { queryStringParameters: lastOf(listsOf(query, decodedParameter)) }),
    requestContext: { domainName, http: { method: request.method, path: rawPath, sourceIp: '192.0.2.1' } },
    ...(body !== null && { body }),
    isBase64Encoded,
  };
}

function bodyOf({ body, headers }: WireRequest, none: null | '') {
  if (!body) return { body: none, isBase64Encoded: false };
  const isText = /json|text/.test(String(headers['content-type']));
  return { body: body.toString(isText ? 'utf8' : 'base64'), isBase64Encoded: !isText };
}

function split(target: string) {
  const [path = '', ...rest] = target.split('?');
  return { path, query: rest.join('?') };
}

function headerLists({ headers, body }: WireRequest): Lists {
  const lists: Lists = { host: ['api.example.com'], 'content-length': [String(body?.length ?? 0)] };
  for (const [name, value] of Object.entries(headers))
    lists[name.toLowerCase()] = typeof value === 'string' ? [value] : [...value];
  return lists;
}

function listsOf(query: string, spelling: (text: string) => string): Lists {
  const lists: Lists = {};
  for (const piece of query.split('&').filter(Boolean)) {
    const at = piece.indexOf('=') < 0 ? piece.length : piece.indexOf('=');
    (lists[spelling(piece.slice(0, at))] ??= []).push(spelling(piece.slice(at + 1)));
  }
  return lists;
}

function lastOf(lists: Lists): Record<string, string> {
  return Object.fromEntries(Object.entries(lists).map(([name, all]) => [name, all.at(-1) as string]));
}

function decodedParameter(text: string): string {
  return decoded(text.replaceAll('+', ' '));
}

/** As gateways decode: bytes that are not UTF-8 are replaced. */
function decoded(text: string): string {
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
