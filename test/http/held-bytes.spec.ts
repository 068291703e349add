import { createHash } from 'node:crypto';
import { HeldBytes, HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { bytes } from '../support/body-kinds.js';

const MEBIBYTE = 1024 * 1024;

function allocated(held: HeldBytes): number {
  const buffers = new Set(held.pieces().map(({ buffer }) => buffer));
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

describe('Held bytes', () => {
  const all = bytes(3 * MEBIBYTE);

  it.each([1, 7, 255, 256, 257, 4096, 65_535, 65_536, 65_537, 1_000_000, 3 * MEBIBYTE])(
    'come back as they came in chunks of %i, in at most 1.5 times their memory',
    (size) => {
      const held = new HeldBytes(new HeldBytesBudget(all.length));
      let isAccepted = true;
      for (let at = 0; at < all.length; at += size) isAccepted &&= held.append(all.subarray(at, at + size));
      expect(isAccepted).toBe(true);
      expect(held.length).toBe(all.length);
      expect(HeldBytesBudget.held).toBe(all.length);
      expect(allocated(held)).toBeLessThanOrEqual(1.5 * all.length);
      expect(Buffer.concat(held.pieces()).equals(all)).toBe(true);
      held.free();
      expect(HeldBytesBudget.held).toBe(0);
      expect(held.pieces()).toEqual([]);
    },
  );

  it('take at most 1.5 times their memory, and 256 bytes, at every moment', () => {
    const held = new HeldBytes(new HeldBytesBudget(MEBIBYTE));
    const tooMuch: number[] = [];
    for (let length = 1; length <= 20_000; length++) {
      held.append(all.subarray(0, 1));
      if (allocated(held) > 1.5 * length + 256) tooMuch.push(length);
    }
    expect(tooMuch).toEqual([]);
    held.free();
  });

  it('tell each slab once and in order as it fills, and the last one when asked', () => {
    const hash = createHash('sha256');
    const held = new HeldBytes(new HeldBytesBudget(all.length), (slab) => hash.update(slab));
    for (let at = 0; at < all.length; at += 1000) held.append(all.subarray(at, at + 1000));
    hash.update(held.lastPiece() ?? '');
    expect(hash.digest('hex')).toBe(createHash('sha256').update(all).digest('hex'));
    held.free();
  });

  it('do not change when the chunk they came in is used again', () => {
    const held = new HeldBytes(new HeldBytesBudget(10));
    const chunk = Buffer.from('abc');
    held.append(chunk);
    chunk.fill('x');
    expect(Buffer.concat(held.pieces()).toString()).toBe('abc');
    held.free();
  });

  it('are refused as a whole above the budget, which all bodies share', () => {
    const budget = new HeldBytesBudget(10);
    const [a, b] = [new HeldBytes(budget), new HeldBytes(budget)];
    expect(a.append(bytes(6))).toBe(true);
    expect(b.append(bytes(5))).toBe(false);
    expect(b.length).toBe(0);
    expect(b.append(bytes(4))).toBe(true);
    expect(a.reserve(1)).toBe(false);
    a.free();
    expect(b.reserve(6)).toBe(true);
    b.free();
    expect(HeldBytesBudget.held).toBe(0);
  });

  it('go on counting after they were handed over, until they are freed', () => {
    const held = new HeldBytes(new HeldBytesBudget(10));
    held.append(bytes(8));
    expect(Buffer.concat(held.handOver())).toEqual(bytes(8));
    expect(held.pieces()).toEqual([]);
    expect(HeldBytesBudget.held).toBe(8);
    held.free();
    held.free();
    expect(HeldBytesBudget.held).toBe(0);
  });
});
