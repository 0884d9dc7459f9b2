/** Makes the clients of a capture others, so that it can be played over and over. */
const ETHERNET_HEADER = 14
const IPV4 = 0x0800
const UDP = 17

/**
 * Other addresses outside, with a right checksum of the header and none of UDP. Other than IPv4 over Ethernet stays as it is.
 *
 * @param mask what changes in the second octet of both addresses: 0 changes nothing, the same one again changes it back
 */
export function disguise(bytes: Uint8Array, start: number, end: number, mask: number): void {
  if (mask === 0 || end - start < ETHERNET_HEADER + 28) return
  if (((bytes[start + 12] << 8) | bytes[start + 13]) !== IPV4) return
  const ip = start + ETHERNET_HEADER
  bytes[ip + 13] ^= mask & 255
  bytes[ip + 17] ^= mask & 255
  bytes[ip + 10] = 0
  bytes[ip + 11] = 0
  let sum = 0
  const length = (bytes[ip] & 15) * 4
  for (let at = 0; at < length; at += 2) sum += (bytes[ip + at] << 8) | bytes[ip + at + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  bytes[ip + 10] = (~sum >>> 8) & 255
  bytes[ip + 11] = ~sum & 255
  if (bytes[ip + 9] !== UDP) return
  bytes[ip + length + 6] = 0
  bytes[ip + length + 7] = 0
}
