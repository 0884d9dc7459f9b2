/** Texts from the network, made safe for people to see: on a terminal, in a message, in a header. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f]/g
/** Beyond ASCII, and DEL. The last pair is that of the tags (U+E0000 to U+E007F), which spell words that nobody sees. */
const UNSEEN =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g

/** Control characters (escape sequences among them), line breaks, bidirectional overrides and invisible characters become visible. */
export function printable(text: string): string {
  return visible(text.replace(CONTROLS, escaped))
}

/** The same of a text whose control characters of ASCII are right, as those of JSON and of colours are. */
export function visible(text: string): string {
  return text.replace(UNSEEN, escaped)
}

function escaped(characters: string): string {
  let text = ''
  for (let at = 0; at < characters.length; at++) {
    text += `\\u${characters.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return text
}

/** At most that many UTF-16 units of a text, the last one an ellipsis if something was cut; no pair is torn. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text
  const end = most - 1
  const isTorn = end > 0 && text.charCodeAt(end - 1) >= 0xd800 && text.charCodeAt(end - 1) <= 0xdbff
  return `${text.slice(0, isTorn ? end - 1 : end)}…`
}
