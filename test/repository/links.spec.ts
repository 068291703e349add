import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(__dirname, '../..');

/** Pages that a reader may open, by their path. */
function pages(): string[] {
  const inFolder = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      if (entry.isDirectory())
        return /^(node_modules|dist)$/.test(entry.name) ? [] : inFolder(join(folder, entry.name));
      return entry.name.endsWith('.md') ? [join(folder, entry.name)] : [];
    });
  const atTheTop = readdirSync(root).filter((name) => name.endsWith('.md'));
  return [...atTheTop, ...inFolder('docs'), ...inFolder('sample')];
}

/** The anchors of a page's headings, as hosts of repositories make them. */
function anchorsOf(page: string): Set<string> {
  const text = readFileSync(join(root, page), 'utf8').replace(/^```[^]*?^```/gm, '');
  const seen = new Map<string, number>();
  const written = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id);
  return new Set([
    ...written,
    ...[...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
      const anchor = heading
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
      const before = seen.get(anchor) ?? 0;
      seen.set(anchor, before + 1);
      return before === 0 ? anchor : `${anchor}-${before}`;
    }),
  ]);
}

/** Links of a page to other places of the repository that are not there. */
function deadLinks(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8')
    .replace(/^```[^]*?^```/gm, '')
    .replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : relative(root, join(root, dirname(page), path));
      if (!existsSync(join(root, file))) return true;
      if (anchor === undefined) return false;
      return statSync(join(root, file)).isDirectory() || !anchorsOf(file).has(anchor);
    })
    .map((target) => `${page}: ${target}`);
}

describe('Links between pages', () => {
  it('lead to something', () => {
    const all = pages();
    expect(all).toEqual(expect.arrayContaining(['README.md', 'docs/keys.md', 'docs/contributing/speed.md']));
    expect(all.flatMap(deadLinks)).toEqual([]);
  });

  it('are compared with the headings', () => {
    expect([...anchorsOf('docs/command-line.md')]).toContain(
      'mauth-verify-and-mauth-explain-why-was-it-refused',
    );
  });
});
