// The release that this source is; package.json says the same (test/version.test.ts).
export const VERSION = '0.1.0';
