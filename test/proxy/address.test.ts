import fc from "fast-check";
import { expect, test } from "vitest";
import { isPublicAddress } from "../../src/proxy/address.ts";

test.each([
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.1",
  "169.253.255.255",
  "169.255.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2001:4860:4860::8888",
  "2600::",
  "2a00:1450:4001:800::200e",
])("%s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each([
  ["this network", "0.0.0.0", "0.255.255.255"],
  ["private", "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"],
  ["carrier-grade NAT", "100.64.0.0", "100.127.255.255"],
  ["loopback", "127.0.0.1", "127.255.255.255", "::1"],
  ["link-local and metadata", "169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1"],
  ["documentation", "192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
  ["benchmarking", "198.18.0.1", "198.19.255.255", "2001:2::1"],
  ["multicast", "224.0.0.1", "239.255.255.255", "ff02::1"],
  ["reserved and broadcast", "240.0.0.1", "255.255.255.255", "192.0.0.1"],
  ["unspecified", "::"],
  ["unique local", "fc00::1", "fdff::1", "fd00:ec2::254"],
  ["IPv4 inside IPv6", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:808:808", "::7f00:1"],
  ["NAT64", "64:ff9b::7f00:1", "64:ff9b:1::1"],
  ["Teredo and 6to4", "2001::1", "2002:7f00:1::1", "192.88.99.1"],
  ["no address at all", "", "localhost", "8.8.8", "08.8.8.8", "8.8.8.8 ", "2001:4860:4860::8888%eth0"],
])("not public: %s", (_, ...addresses) => {
  for (const address of addresses) expect(isPublicAddress(address), address).toBe(false);
});

test("no address that wraps an IPv4 address is public", () => {
  fc.assert(
    fc.property(fc.ipV4(), (inner) => {
      expect(isPublicAddress(`::ffff:${inner}`)).toBe(false);
      expect(isPublicAddress(`::${inner}`)).toBe(false);
      expect(isPublicAddress(`64:ff9b::${inner}`)).toBe(false);
    }),
  );
});

test("an IPv4 address is public exactly when it is outside of the special ranges", () => {
  const special = (a: number, b: number, c: number) =>
    [0, 10, 127].includes(a) ||
    a >= 224 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && (b === 168 || (b === 0 && (c === 0 || c === 2)) || (b === 88 && c === 99))) ||
    (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) ||
    (a === 203 && b === 0 && c === 113);
  const first = fc.oneof(fc.nat(255), fc.constantFrom(100, 169, 172, 192, 198, 203));
  fc.assert(
    fc.property(first, fc.nat(255), fc.nat(255), fc.nat(255), (a, b, c, d) => {
      expect(isPublicAddress(`${a}.${b}.${c}.${d}`)).toBe(!special(a, b, c));
    }),
    { numRuns: 2000 },
  );
});
