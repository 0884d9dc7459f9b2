/** What went through the packet path, in numbers. */

export interface PathCounts {
  packets: number
  /** As captured. */
  bytes: number
  duplicates: number
  l2tp: number
  /** Packets of ESP and AH, and those of them whose content could be read. */
  ipsec: number
  opened: number
  foreign: number
  fragments: number
  flawed: number
}

export function emptyCounts(): PathCounts {
  return {
    packets: 0,
    bytes: 0,
    duplicates: 0,
    l2tp: 0,
    ipsec: 0,
    opened: 0,
    foreign: 0,
    fragments: 0,
    flawed: 0,
  }
}
