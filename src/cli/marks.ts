/**
 * `linepool lend marks`: nftables rules for a router whose queue tells traffic by its DSCP, such as CAKE on OpenWrt. Pure:
 * the text is printed, and put to use by whoever wants it.
 *
 * The relay marks what it sends with LE (paths/lower-effort.ts). These rules remember that in the connection, so that its first
 * packets and what comes back have it too.
 */
import { LOWER_EFFORT } from '../paths/lower-effort.ts';

/** A bit of the connection's mark that OpenWrt's own rules (mwan3, pbr, sqm) leave alone. */
const CONNECTION_BIT = 0x1000;

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

/** Lines of a file for `nft -f`; loading it again replaces it. */
export function markRules(): string[] {
  const bit = hex(CONNECTION_BIT);
  const dscp = `0x${(LOWER_EFFORT >> 2).toString(16).padStart(2, '0')}`;
  return [
    '# What linepool carries for neighbours, in the lowest class both ways. Load with `nft -f`; on OpenWrt put the two',
    '# chains alone into a file in /etc/nftables.d.',
    '# Up: a queue such as CAKE (diffserv3, diffserv4) puts DSCP LE into its lowest tin by itself.',
    '# Down: shaping comes before these rules. Restore the mark there, where the ifb is filled:',
    `#   tc filter ... action ctinfo dscp 0x0000003f ${bit} ... mirred egress redirect dev ifb4wan`,
    'table inet linepool',
    'delete table inet linepool',
    'table inet linepool {',
    '  chain sent {',
    '    type filter hook output priority mangle; policy accept;',
    `    ip dscp ${dscp} ct mark set ct mark & 0xffffffc0 | ${hex(CONNECTION_BIT | (LOWER_EFFORT >> 2))}`,
    `    ip6 dscp ${dscp} ct mark set ct mark & 0xffffffc0 | ${hex(CONNECTION_BIT | (LOWER_EFFORT >> 2))}`,
    '  }',
    '  chain received {',
    '    type filter hook prerouting priority mangle; policy accept;',
    `    ct mark & ${bit} == ${bit} ip dscp set ${dscp}`,
    `    ct mark & ${bit} == ${bit} ip6 dscp set ${dscp}`,
    '  }',
    '}',
  ];
}
