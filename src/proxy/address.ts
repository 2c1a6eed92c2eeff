import { BlockList, isIPv4, isIPv6 } from "node:net";

// Everything that the IANA registries of special-purpose addresses do not call globally reachable, plus multicast,
// reserved space and the retired 6to4 relay. https://www.iana.org/assignments/iana-ipv4-special-registry
const special4 = subnets("ipv4", [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
]);

// Of IPv6 only 2000::/3 is handed out for global use: mapped, NAT64, unique local, link-local and multicast
// addresses lie outside. Inside it, these carry an IPv4 address (Teredo, 6to4) or lead nowhere (documentation).
const global6 = subnets("ipv6", [["2000::", 3]]);
const special6 = subnets("ipv6", [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
]);

/**
 * Whether an address in its usual text form leads to the public internet. A zone (`fe80::1%eth0`) never does.
 * @example isPublicAddress("8.8.8.8") // true; isPublicAddress("::ffff:8.8.8.8") // false
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special4.check(address, "ipv4");
  if (!isIPv6(address) || address.includes("%")) return false;
  return global6.check(address, "ipv6") && !special6.check(address, "ipv6");
}

function subnets(family: "ipv4" | "ipv6", ranges: readonly (readonly [string, number])[]): BlockList {
  const result = new BlockList();
  for (const [net, prefix] of ranges) result.addSubnet(net, prefix, family);
  return result;
}
