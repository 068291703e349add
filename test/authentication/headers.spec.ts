import {
  accepted,
  alice,
  authenticationOf,
  createWorld,
  NAMES,
  NOW,
  refused,
  REQUEST,
  signatureOf,
  signedHeaders,
  textOf,
  type Version,
} from './signed-by-hand.js';

describe.each<[string, Version]>([
  ['V1', 1],
  ['V2', 2],
])('The authentication header of %s', (_, version) => {
  const names = NAMES[version];
  const good = signedHeaders(version, alice);
  const value = good[names.authentication];
  const [token, end] = version === 1 ? ['MWS', ''] : ['MWSV2', ';'];
  const signature = value.slice(token.length + 38, value.length - end.length);

  async function authenticate(authentication: unknown, time: unknown = String(NOW)) {
    const { authenticator, asked } = createWorld();
    const headers = { [names.authentication]: authentication, [names.time]: time } as Record<string, string>;
    return { result: await authenticator.authenticateRequest({ ...REQUEST, headers }), asked };
  }

  it('is accepted to the letter', async () => {
    expect((await authenticate(value)).result).toEqual(accepted(alice, version));
  });

  it.each([
    ['in upper case', (name: string) => name.toUpperCase()],
    ['in mixed case', (name: string) => name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase())],
  ])('is read under its name %s', async (__, rename) => {
    const headers = Object.fromEntries(Object.entries(good).map(([name, text]) => [rename(name), text]));
    const { authenticator } = createWorld();
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
      accepted(alice, version),
    );
  });

  it.each<[string, Record<string, string | string[]> | Iterable<[string, string]>]>([
    ['a Headers object', new Headers(good)],
    ['a Map', new Map(Object.entries(good))],
    ['a list of pairs', Object.entries(good)],
    [
      'a record of lists with one line',
      Object.fromEntries(Object.entries(good).map(([name, text]) => [name, [text]])),
    ],
    ['a record without a prototype', Object.assign(Object.create(null), good)],
    ['a record with other headers', { host: 'a', accept: ['b', 'c'], 'x-mws-timed': '1', ...good }],
  ])('is read from %s', async (__, headers) => {
    const { authenticator } = createWorld();
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
      accepted(alice, version),
    );
  });

  const other = version === 1 ? 'MWSV2' : 'MWS';

  it.each<[string, string]>([
    ['nothing in it', ''],
    ['the token alone', token],
    ['the token of the other version', value.replace(token, other)],
    ['all of the other version', `${other} ${alice.appUuid}:${signature}${version === 1 ? ';' : ''}`],
    ['a token in lower case', value.replace(token, token.toLowerCase())],
    ['an unknown token', value.replace(token, 'MWSV3')],
    ['a token that goes on', value.replace(token, `${token}2`)],
    ['no token', value.slice(token.length + 1)],
    ['two spaces', value.replace(' ', '  ')],
    ['no space', value.replace(' ', '')],
    ['a tab', value.replace(' ', '\t')],
    ['a no-break space', value.replace(' ', '\u00a0')],
    ['a space before it', ` ${value}`],
    ['a space behind it', `${value} `],
    ['a line feed behind it', `${value}\n`],
    ['a line feed before it', `\n${value}`],
    ['NUL behind it', `${value}\0`],
    ['a comma behind it', `${value},`],
    ['no colon', value.replace(':', '')],
    ['two colons', value.replace(':', '::')],
    ['a space before the colon', value.replace(':', ' :')],
    ['a space behind the colon', value.replace(':', ': ')],
    ['an equals sign for the colon', value.replace(':', '=')],
    ['the whole twice', `${value}, ${value}`],
    ['the whole twice without a comma', value + value],
    ['another scheme', `Bearer ${signature}`],
    ['text of 100,000 characters', `${token} ${alice.appUuid}:${'A'.repeat(100_000)}${end}`],
    ['a byte order mark before it', `\ufeff${value}`],
    version === 2 ? ['no semicolon', value.slice(0, -1)] : ['a semicolon', `${value};`],
    ['two semicolons', `${value};;`],
    ['something behind a semicolon', `${value};x`],
  ])('is refused with %s', async (__, authentication) => {
    const { result, asked } = await authenticate(authentication);
    expect(result).toEqual(refused('malformed_headers'));
    expect(asked).toStrictEqual([]);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 1],
    ['an object', { toString: () => value }],
    ['a list of lists', [[value]]],
    ['a list that holds a number', [value, 1]],
  ])('is refused, without a crash, when it is %s', async (__, authentication) => {
    expect((await authenticate(authentication)).result).toEqual(refused('malformed_headers'));
  });

  describe('holds a UUID of 8-4-4-4-12 hexadecimal digits', () => {
    const { appUuid } = alice;
    const signedAs = (uuid: string) =>
      authenticationOf(
        version,
        uuid,
        signatureOf(version, alice, textOf(version, { ...PARTS, appUuid: uuid })),
      );

    it.each<[string, string]>([
      ['empty', ''],
      ['a path', '../../../../../security_tokens/secrets'],
      ['a path of 36 characters', '../../../../../../../../../../../aaa'],
      ['in braces', `{${appUuid}}`],
      ['in braces, 36 characters long', `{${appUuid.slice(1, -1)}}`],
      ['of groups that are too short', '1-1-1-1-1'],
      ['of groups of other lengths', 'a11ce00-01111-4111-8111-abcdefabcdef'],
      ['without hyphens', appUuid.replaceAll('-', '')],
      ['of 35 characters', appUuid.slice(1)],
      ['of 37 characters', `${appUuid}0`],
      ['a URN', `urn:uuid:${appUuid}`],
      ['with a letter that is no digit', appUuid.replace('a', 'g')],
      ['with Unicode digits', appUuid.replace('1', '\u0661')],
      ['with Unicode letters', appUuid.replace('a', '\uff41')],
      ['with a line feed', `${appUuid.slice(0, 35)}\n`],
      ['with a line feed behind it', `${appUuid}\n`],
      ['with NUL', `${appUuid.slice(0, 35)}\0`],
      ['with a space', ` ${appUuid.slice(1)}`],
      ['with a slash', appUuid.replace('-', '/')],
      ['with escapes', appUuid.replace('a', '%61')],
      ['with underscores', appUuid.replaceAll('-', '_')],
      ['two UUIDs', `${appUuid},${appUuid}`],
    ])('and is refused with one that is %s, although it is signed so', async (__, uuid) => {
      const { result, asked } = await authenticate(signedAs(uuid));
      expect(result).toEqual(refused('malformed_headers'));
      expect(asked).toStrictEqual([]);
    });

    it('and is accepted in upper case, which is signed as sent, looked up and reported in lower case', async () => {
      const { result, asked } = await authenticate(signedAs(appUuid.toUpperCase()));
      expect(result).toEqual(accepted(alice, version));
      expect(asked).toStrictEqual([appUuid]);
    });

    it('and is refused when its case is another than the one that was signed', async () => {
      const { result } = await authenticate(value.replace(appUuid, appUuid.toUpperCase()));
      expect(result).toEqual(refused('signature_mismatch'));
    });
  });

  describe('holds a signature in canonical base64', () => {
    // Of the last two letters before the padding, four bits are not used.
    const lastLetter = signature.at(-3) as string;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const sameBytes = alphabet[alphabet.indexOf(lastLetter) + 1];

    it.each<[string, string]>([
      ['nothing', ''],
      ['padding only', '=='],
      ['no padding', signature.replace(/=+$/, '')],
      ['half of its padding', signature.slice(0, -1)],
      ['more padding', `${signature}=`],
      ['four more signs of padding', `${signature}====`],
      ['line breaks', signature.replace(/.{64}/g, '$&\n')],
      ['CRLF in it', signature.replace(/.{64}/g, '$&\r\n')],
      ['a space in it', `${signature.slice(0, 20)} ${signature.slice(20)}`],
      ['a space behind it', `${signature} `],
      ['a tab before it', `\t${signature}`],
      ['bits set that do not count', `${signature.slice(0, -3)}${sameBytes}==`],
      ['an asterisk', `*${signature}`],
      ['an asterisk for a letter', `*${signature.slice(1)}`],
      ['a letter that is no ASCII', `\u0100${signature.slice(1)}`],
      ['quotes around it', `"${signature}"`],
      ['escapes', signature.replace('=', '%3D')],
      ['text behind its padding', `${signature}AAAA`],
      ['two signatures', `${signature},${signature}`],
      ['NUL in it', signature.replace(/.$/, '\0')],
    ])('and is refused with %s', async (__, base64) => {
      const { result, asked } = await authenticate(authenticationOf(version, alice.appUuid, base64));
      expect(result).toEqual(refused('malformed_headers'));
      expect(asked).toStrictEqual([]);
    });

    it('and is refused in the alphabet for URLs', async () => {
      const { signature: both, body } = signatureWithPlusAndSlash(version);
      const { authenticator } = createWorld();
      const results = [];
      for (const base64 of [both, both.replaceAll('+', '-'), both.replaceAll('/', '_')]) {
        const headers = { ...good, [names.authentication]: authenticationOf(version, alice.appUuid, base64) };
        results.push(await authenticator.authenticateRequest({ ...REQUEST, body, headers }));
      }
      const malformed = refused('malformed_headers');
      expect(results).toEqual([accepted(alice, version), malformed, malformed]);
    });

    it.each<[string, Buffer]>([
      ['one byte', Buffer.of(1)],
      ['one byte less', Buffer.from(signature, 'base64').subarray(1)],
      ['one byte more', Buffer.concat([Buffer.of(0), Buffer.from(signature, 'base64')])],
      ['1,024 bytes', Buffer.alloc(1024, 1)],
    ])('and is refused when it is %s instead of as many as the modulus has', async (__, bytes) => {
      const { result } = await authenticate(authenticationOf(version, alice.appUuid, bytes));
      expect(result).toEqual(refused('signature_mismatch'));
    });

    it('and is read up to 2,048 characters of header', async () => {
      const around = authenticationOf(version, alice.appUuid, '').length;
      const most = 'A'.repeat((2048 - around) & ~3);
      expect((await authenticate(authenticationOf(version, alice.appUuid, most))).result).toEqual(
        refused('signature_mismatch'),
      );
      expect((await authenticate(authenticationOf(version, alice.appUuid, `${most}AAAA`))).result).toEqual(
        refused('malformed_headers'),
      );
    });
  });

  describe.each([
    ['authentication', names.authentication, 'malformed_headers'],
    ['time', names.time, 'malformed_time'],
  ] as const)('counts once: its %s header', (__, name, code) => {
    const line = good[name];
    const rest = { ...good, [name]: undefined };

    it.each<[string, Record<string, unknown> | Iterable<[string, string]>]>([
      ['as two equal lines', { ...rest, [name]: [line, line] }],
      ['as two lines, the second empty', { ...rest, [name]: [line, ''] }],
      ['joined as Node joins lines', { ...rest, [name]: `${line}, ${line}` }],
      ['under its name in two cases', { ...rest, [name]: line, [name.toUpperCase()]: line }],
      ['as two pairs', [...Object.entries(good), [name, line]]],
      ['as two pairs, the first empty', [[name, ''], ...Object.entries(good)]],
    ])('is refused %s', async (___, headers) => {
      const { authenticator, asked } = createWorld();
      const request = { ...REQUEST, headers: headers as Record<string, string> };
      expect(await authenticator.authenticateRequest(request)).toEqual(refused(code));
      expect(asked).toStrictEqual([]);
    });
  });

  it('is present even when it is empty, so that nothing else is tried', async () => {
    const { result } = await authenticate('');
    expect(result).toEqual(refused('malformed_headers'));
  });

  it('is absent when it is undefined or has no lines', async () => {
    expect((await authenticate(undefined)).result).toEqual(refused('missing_headers'));
    expect((await authenticate([])).result).toEqual(refused('missing_headers'));
  });
});

describe('Headers of MAuth', () => {
  it.each<[string, unknown]>([
    ['none at all', {}],
    ['a lone V1 time', { 'x-mws-time': String(NOW) }],
    ['a lone V2 time', { 'mcc-time': String(NOW) }],
    ['both times', { 'x-mws-time': String(NOW), 'mcc-time': String(NOW) }],
    [
      'names that only resemble them',
      { 'mcc-authenticatio': 'x', 'mcc-authentications': 'x', 'xmws-authentication': 'x' },
    ],
    ['names with white space', { 'mcc-authentication ': 'x', ' mcc-authentication': 'x' }],
    ['an inherited header', Object.create(signedHeaders(2, alice))],
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['text', 'mcc-authentication: x'],
    ['a list of numbers', [1, 2]],
    ['a list of null', [null, undefined]],
    [
      'a list of pairs whose names are no text',
      [
        [1, 'x'],
        [null, 'x'],
        [{}, 'x'],
      ],
    ],
    ['a flat list', ['mcc-authentication', 'x']],
  ])('are missing in %s', async (_, headers) => {
    const { authenticator } = createWorld();
    const request = { ...REQUEST, headers: headers as Record<string, string> };
    expect(await authenticator.authenticateRequest(request)).toEqual(refused('missing_headers'));
  });
});

const PARTS = { method: 'POST', path: '/studies', query: '', body: '{}', appUuid: alice.appUuid, time: NOW };

/** A body whose signature needs both letters that differ in the alphabet for URLs. */
function signatureWithPlusAndSlash(version: Version): { signature: string; body: string } {
  for (let body = ''; ; body += 'a') {
    const signature = signatureOf(version, alice, textOf(version, { ...PARTS, body })).toString('base64');
    if (signature.includes('+') && signature.includes('/')) return { signature, body };
  }
}
