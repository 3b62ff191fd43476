/**
 * The ranges of addresses that are private (RFC 1918, RFC 4193) or hold on one link only (RFC 3927, RFC 4291 section 2.5.6). Of
 * these a household's networks are parts.
 */
export const PRIVATE_NETWORKS = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
] as const;
