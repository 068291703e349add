/**
 * Imports `nestjs-mauth/lambda`, or only what it imports from elsewhere, and says how long that took; with the package
 * also how long it is from there to the first verdict on a signed event.
 */
import { createRequire } from 'node:module';

const { withPackage, format, libraries, caller, event } = JSON.parse(process.argv[2]);
const require = createRequire(import.meta.url);
const load = async (name) => (format === 'CommonJS' ? require(name) : import(name));

const began = performance.now();
if (!withPackage) {
  for (const name of libraries) await load(name);
  process.send({ importing: performance.now() - began });
} else {
  const { createLambdaAuthenticator } = await load('nestjs-mauth/lambda');
  const imported = performance.now();
  const authenticator = createLambdaAuthenticator({
    appUuid: caller.appUuid,
    findPublicKey: () => caller.publicPem,
    logAttempts: false,
  });
  const { authentic } = await authenticator.authenticateEvent(event);
  if (!authentic) throw new Error('The signed event is not authentic');
  process.send({ importing: imported - began, authenticating: performance.now() - imported });
}
process.on('disconnect', () => process.exit());
