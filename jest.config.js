import { availableParallelism } from 'node:os';

/** Tests run the sources: every workspace import is mapped to its src, so a test never sees a stale build. */
export default {
  // in processes of their own, which are replaced when they have grown: modules of a test file are never freed
  maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
  workerIdleMemoryLimit: '512M',
  testMatch: [
    '<rootDir>/packages/*/test/**/*.test.ts',
    '<rootDir>/test/**/*.test.ts',
    '<rootDir>/{servers,interop,examples,bench}/test/**/*.test.ts',
  ],
  globalSetup: '<rootDir>/scripts/provide-servers.js',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { decoratorVersion: '2022-03' },
          target: 'es2022',
        },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: {
    '^@stockpile/servers$': '<rootDir>/servers/src/index.ts',
    '^@stockpile/([a-z-]+)$': '<rootDir>/packages/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
  reporters: ['default', '<rootDir>/scripts/closing-line-reporter.js'],
};
