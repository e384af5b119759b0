import type { Route } from '../schema/route.ts';

/**
 * What a route may say that this gateway does not do. Going on without it would be wider than what was written, so
 * each is refused by name; what the manifest's readers refuse with a line number is refused here once more.
 */
export function notBuilt(route: Route): readonly string[] {
  const { dlp } = route;
  const features: string[] = [];
  for (const detector of dlp?.outbound_detectors === false ? [] : (dlp?.outbound_detectors ?? [])) {
    if (detector === 'entropy') features.push(`dlp.outbound_detectors: ${detector}`);
  }
  for (const detector of dlp?.inbound_detectors === false ? [] : (dlp?.inbound_detectors ?? [])) {
    if (detector === 'minted_credentials') features.push(`dlp.inbound_detectors: ${detector}`);
  }
  const { outbound_on_match: outbound } = dlp ?? {};
  if (outbound !== undefined && outbound !== 'block') features.push(`dlp.outbound_on_match: ${outbound}`);
  return features.map((feature) => `${feature} is not built yet`);
}
