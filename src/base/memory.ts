/**
 * What texts take in memory, by an estimate for bounds that attackers try: never much less than they take. An engine of JavaScript
 * spends two bytes on each character of a text in which one is beyond Latin-1.
 */

const TEXT_BYTES = 24
const CHARACTER_BYTES = 2

export function textBytes(text: string): number {
  return TEXT_BYTES + CHARACTER_BYTES * text.length
}
