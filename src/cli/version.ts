import manifest from '../../package.json' with { type: 'json' };

/** The package's version; bundled in, so that it is right wherever the file lies. */
export function version(): string {
  return manifest.version;
}
