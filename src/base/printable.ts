/** Texts from the network, made safe for people to see: on a terminal, in a message, in a header. */

const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Control characters (escape sequences among them), line breaks, bidirectional overrides and invisible characters become visible. */
export function printable(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** At most that many UTF-16 units of a text, the last one an ellipsis if something was cut; no pair is torn. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text
  const end = most - 1
  const isTorn = end > 0 && text.charCodeAt(end - 1) >= 0xd800 && text.charCodeAt(end - 1) <= 0xdbff
  return `${text.slice(0, isTorn ? end - 1 : end)}…`
}
