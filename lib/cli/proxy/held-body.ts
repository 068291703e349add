import { type IncomingMessage } from 'node:http';

/** Reads a whole body; undefined where it is longer than so many bytes. */
export async function heldBody(message: IncomingMessage, most: number): Promise<Buffer | undefined> {
  if (Number(message.headers['content-length'] ?? 0) > most) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    message.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > most) {
        chunks.length = 0;
        resolve(undefined);
      } else chunks.push(chunk);
    });
    message.on('end', () => resolve(Buffer.concat(chunks)));
    message.on('error', reject);
    message.on('close', () => reject(new Error('The connection was closed within the body.')));
  });
}
