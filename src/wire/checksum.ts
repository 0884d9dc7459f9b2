/** The checksum of the Internet (RFC 1071), as IP, UDP, TCP, ICMP and OSPF use it. */

/** The sum of the 16-bit words of a window, unfolded; an odd octet at the end stands for its word's first. Windows up to 64 KiB. */
export function sumOf(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0
  const even = end - ((end - start) & 1)
  for (let at = start; at < even; at += 2) sum += (bytes[at] << 8) | bytes[at + 1]
  return even < end ? sum + (bytes[even] << 8) : sum
}

/** Whether what was summed up, the checksum among it, is as it should be. */
export function isSumRight(sum: number): boolean {
  const folded = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return ((folded & 0xffff) + (folded >>> 16)) % 0xffff === 0
}
