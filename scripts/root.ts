import path from 'node:path';

/** The clone that these scripts belong to. */
export const ROOT = path.dirname(import.meta.dirname);
