import * as mauth from '../../lib/index.js';
import { LinkedPackage } from '../support/linked-package.js';

/** The exported errors, by the names that are documented. */
const NAMES = Object.entries(mauth)
  .filter(([, exported]) => typeof exported === 'function' && exported.prototype instanceof Error)
  .map(([name]) => name);

/** What shows of an error of each class, and of some that the package throws itself. */
const SHOWN = `
  const { inspect } = require('node:util');
  const show = (error) => ({ name: error.name, inspected: inspect(error).split(':')[0], class: error.constructor.name });
  const caught = async (run) => { try { await run(); } catch (error) { return show(error); } };
  const uuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
  const { privateKey } = require('node:crypto').generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signer = new mauth.MAuthSigner({ appUuid: uuid, privateKey });
  return {
    minified: mauth.MAuthGuard.name,
    made: Object.fromEntries(
      ${JSON.stringify(NAMES)}.map((name) => [name, show(new mauth[name]('rpc', 'message'))]),
    ),
    configuration: await caught(() => new mauth.MAuthSigner({})),
    signing: await caught(() => signer.signRequest({ method: 'GET', url: 'no url' })),
  };`;

describe('Names of errors', () => {
  const linked = new LinkedPackage({ isMinified: true });
  afterAll(() => linked.remove());

  it('survive a minifier', () => {
    const { minified, made, configuration, signing } = linked.run(SHOWN);
    // Else nothing would be tested here.
    expect(minified).not.toBe('MAuthGuard');
    expect(NAMES).toEqual(expect.arrayContaining(['MAuthInauthenticError', 'MAuthUnauthorizedException']));
    expect(made).toEqual(Object.fromEntries(NAMES.map((name) => [name, named(name)])));
    expect(configuration).toEqual(named('MAuthConfigurationError'));
    expect(signing).toEqual(named('MAuthUnableToSignError'));
  });
});

function named(name: string) {
  return { name, inspected: name, class: name };
}
