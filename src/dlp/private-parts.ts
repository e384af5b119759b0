/** What vendors put before the random part: everybody knows it, and documents are full of it. */
const VENDOR_PREFIX =
  /^(?:sk-ant-[a-z]+\d\d-|sk-(?:proj|svcacct|admin)-|sk-|[srp]k_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|glpat-|gldt-|xox[abeprs]-|xapp-|npm_|pypi-|AIza|hf_|dop_v1_|shp(?:at|ss|ca)_|SG\.|A[KS]IA|lin_api_|ntn_|secret_)/;
const JWT = /^eyJ[\w-]*\.[\w-]*\.([\w-]+)$/;
const ARMOUR = /^-----(?:BEGIN|END) [A-Z ]+-----$/;
/** Of a connection string only what stands between name and host is nobody else's. */
const CONNECTION = /^[a-z][a-z0-9+.-]*:\/\/[^:@/\s]*:([^@/\s]{8,})@/i;
const LEAST = 8;

/** The parts of a value that nobody knows without it (SECURITY S18): no vendor prefix, JWT header or claims, or armour. */
export function privateParts(value: string): readonly string[] {
  const secret = JWT.exec(value)?.[1] ?? CONNECTION.exec(value)?.[1] ?? value.replace(VENDOR_PREFIX, '');
  const parts = secret.split(/[\r\n]+/).filter((line) => line !== '' && !ARMOUR.test(line));
  return parts.some((part) => part.length >= LEAST) ? parts : [value];
}
