import { mauthOptionsFromEnv } from 'nestjs-mauth';

const REQUIRED = ['APP_UUID', 'MAUTH_PRIVATE_KEY_FILE', 'MAUTH_URL'];

/** Files that are read, the first one first; the environment goes before all of them. */
export const envFilePath = [`.env.${process.env.NODE_ENV ?? 'development'}`, '.env.local'];

/** Called once with what the environment and the files say. */
export function validate(env: Record<string, string>): Record<string, string> {
  const missing = REQUIRED.filter((name) => !env[name]);
  if (missing.length > 0) throw new Error(`Set ${missing.join(', ')} in the environment or in .env.local.`);
  mauthOptionsFromEnv(env); // throws where a value cannot be read, and names the variable
  return env;
}
