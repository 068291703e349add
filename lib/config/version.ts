/** The package's version, for `User-Agent`. Kept as a constant: no package.json stands beside every bundle. */
export const VERSION = '0.1.0';
