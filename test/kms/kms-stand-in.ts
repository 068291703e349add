import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

/** What a client asks KMS to decrypt; the names are those of its API. */
interface DecryptRequest {
  readonly CiphertextBlob: string;
  readonly KeyId?: string;
  readonly EncryptionContext?: Record<string, string>;
}

/** A secret that was encrypted with KMS. */
interface Secret {
  readonly plain: string;
  readonly keyId: string;
  readonly context: string;
}

/** Speaks as much of AWS KMS over real HTTP as decrypting takes: JSON 1.1, signed requests, its errors. */
export class KmsStandIn {
  /** How often something was to be decrypted. */
  requests = 0;
  /** Answers instead of the stand-in. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly #secrets = new Map<string, Secret>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#receive(request, response));
  }

  static async start(): Promise<KmsStandIn> {
    const kms = new KmsStandIn();
    await new Promise<void>((resolve) => kms.#server.listen(0, '127.0.0.1', resolve));
    return kms;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ciphertext in base64, as it is put into an environment variable. */
  encrypt(plain: string, { keyId = 'a-key', context = {} }: EncryptOptions = {}): string {
    const ciphertext = Buffer.from(`ciphertext ${randomUUID()}`).toString('base64');
    this.#secrets.set(ciphertext, { plain, keyId, context: JSON.stringify(context) });
    return ciphertext;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.requests++;
    if (this.answer) return this.answer(request, response);
    const isSigned = request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 Credential=');
    if (!isSigned) return refuse(response, 'MissingAuthenticationTokenException');
    if (request.headers['x-amz-target'] !== 'TrentService.Decrypt') {
      return refuse(response, 'UnknownOperationException');
    }
    this.#decrypt(JSON.parse(Buffer.concat(chunks).toString()) as DecryptRequest, response);
  }

  #decrypt(
    { CiphertextBlob, KeyId, EncryptionContext = {} }: DecryptRequest,
    response: ServerResponse,
  ): void {
    const secret = this.#secrets.get(CiphertextBlob);
    if (secret?.context !== JSON.stringify(EncryptionContext)) {
      return refuse(response, 'InvalidCiphertextException');
    }
    if (KeyId !== undefined && KeyId !== secret.keyId) return refuse(response, 'IncorrectKeyException');
    const answer = { KeyId: secret.keyId, Plaintext: Buffer.from(secret.plain).toString('base64') };
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer));
  }
}

interface EncryptOptions {
  keyId?: string;
  context?: Record<string, string>;
}

/** An error as KMS answers it. */
export function refuse(response: ServerResponse, type: string): void {
  response
    .writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
    .end(JSON.stringify({ __type: type, message: 'a message of KMS' }));
}

const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'not-a-secret' };
const SETTINGS = { ...CREDENTIALS, AWS_REGION: 'eu-west-1', AWS_EC2_METADATA_DISABLED: 'true' };

/** Gives this process what Lambda gives a function: credentials and a region. Returns how to take them back. */
export function provideAwsEnvironment(): () => void {
  const before = { ...process.env };
  Object.assign(process.env, SETTINGS);
  return () => {
    for (const name of Object.keys(SETTINGS)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  };
}
