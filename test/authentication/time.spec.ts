import {
  accepted,
  alice,
  createWorld,
  NAMES,
  NOW,
  refused,
  REQUEST,
  signedHeaders,
  type Version,
} from './signed-by-hand.js';

describe.each<[string, Version]>([
  ['V1', 1],
  ['V2', 2],
])('The time of %s', (_, version) => {
  /** What becomes of a request whose time is spelled like this, and signed so, at that time. */
  async function authenticate(spelling: string, now = Number(spelling)) {
    const { authenticator, asked } = createWorld({ now: () => (Number.isFinite(now) ? now : NOW) * 1000 });
    const headers = signedHeaders(version, alice, { time: spelling });
    return { result: await authenticator.authenticateRequest({ ...REQUEST, headers }), asked };
  }

  it.each([['1763700000'], ['1'], ['9'], ['999999999999']])('is accepted as %s', async (spelling) => {
    expect((await authenticate(spelling)).result).toEqual(accepted(alice, version));
  });

  it.each<[string, string, number?]>([
    ['NaN', 'NaN'],
    ['Infinity', 'Infinity'],
    ['an exponent', '1e9'],
    ['an exponent and a point', '1.7637e9'],
    ['a plus', `+${NOW}`],
    ['a minus', '-1'],
    ['a minus and now', `-${NOW}`],
    ['a space before it', ` ${NOW}`],
    ['a space behind it', `${NOW} `],
    ['a tab behind it', `${NOW}\t`],
    ['a line feed behind it', `${NOW}\n`],
    ['a line feed before it', `\n${NOW}`],
    ['a carriage return behind it', `${NOW}\r`],
    ['NUL behind it', `${NOW}\0`, NOW],
    ['a vertical tab before it', `\v${NOW}`],
    ['a byte order mark before it', `\ufeff${NOW}`],
    ['20 digits', '17637000001763700000'],
    ['13 digits', '1763700000000'],
    ['Arabic digits', '\u0661\u0667\u0666\u0663\u0667\u0660\u0660\u0660\u0660\u0660', NOW],
    ['full-width digits', '\uff11\uff17\uff16\uff13\uff17\uff10\uff10\uff10\uff10\uff10', NOW],
    ['zero', '0'],
    ['zeros', '000'],
    ['a leading zero', `0${NOW}`],
    ['hexadecimal digits', `0x${NOW.toString(16)}`],
    ['octal digits', `0o${NOW.toString(8)}`],
    ['binary digits', `0b${NOW.toString(2)}`],
    ['a point', `${NOW}.0`],
    ['a point behind it', `${NOW}.`],
    ['commas', '1,763,700,000', NOW],
    ['underscores', '1_763_700_000', NOW],
    ['an n', `${NOW}n`, NOW],
    ['a semicolon', `${NOW};`, NOW],
    ['two times', `${NOW}, ${NOW}`, NOW],
    ['a date', '2025-11-21T04:40:00Z', NOW],
    ['undefined', 'undefined', NOW],
    ['null', 'null', NOW],
    ['nothing', ''],
    ['a space', ' '],
  ])('is refused with %s, although it is signed so', async (__, spelling, now = Number(spelling)) => {
    const { result, asked } = await authenticate(spelling, now);
    expect(result).toEqual(refused('malformed_time'));
    expect(asked).toStrictEqual([]);
  });

  it.each<[string, unknown]>([
    ['missing', undefined],
    ['a number', NOW],
    ['null', null],
    ['a list of a number', [NOW]],
  ])('is refused when it is %s', async (__, time) => {
    const { authenticator } = createWorld();
    const headers = { ...signedHeaders(version, alice), [NAMES[version].time]: time as string };
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
      refused('malformed_time'),
    );
  });

  it.each([
    [-300, true],
    [-299, true],
    [300, true],
    [-301, false],
    [301, false],
    [-86_400, false],
    [86_400, false],
  ])('%i seconds from now is in the window: %s', async (drift, isInside) => {
    const { result, asked } = await authenticate(String(NOW + drift), NOW);
    expect(result).toEqual(isInside ? accepted(alice, version) : refused('time_out_of_range'));
    expect(asked).toStrictEqual(isInside ? [alice.appUuid] : []);
  });

  it.each([
    [900, 900, true],
    [900, -901, false],
    [1, 1, true],
    [1, 2, false],
  ])(
    'may be allowed a drift of %i seconds: then %i is in the window: %s',
    async (allowed, drift, isInside) => {
      const { authenticator } = createWorld({ allowedDriftSeconds: allowed });
      const headers = signedHeaders(version, alice, { time: NOW + drift });
      expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
        isInside ? accepted(alice, version) : refused('time_out_of_range'),
      );
    },
  );

  it('is compared in whole seconds', async () => {
    const headers = signedHeaders(version, alice, { time: NOW });
    const at = (milliseconds: number) =>
      createWorld({ now: () => milliseconds }).authenticator.authenticateRequest({ ...REQUEST, headers });
    expect(await at((NOW + 300) * 1000 + 999)).toEqual(accepted(alice, version));
    expect(await at((NOW - 300) * 1000)).toEqual(accepted(alice, version));
    expect(await at((NOW - 300) * 1000 - 1)).toEqual(refused('time_out_of_range'));
  });

  it.each([NaN, Infinity, -Infinity])(
    'is out of the window of a clock that shows %d',
    async (milliseconds) => {
      const { authenticator } = createWorld({ now: () => milliseconds });
      const headers = signedHeaders(version, alice);
      expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
        refused('time_out_of_range'),
      );
    },
  );

  it('is signed: another one in the window is refused', async () => {
    const { authenticator } = createWorld();
    const headers = { ...signedHeaders(version, alice), [NAMES[version].time]: String(NOW + 1) };
    expect(await authenticator.authenticateRequest({ ...REQUEST, headers })).toEqual(
      refused('signature_mismatch'),
    );
  });
});
