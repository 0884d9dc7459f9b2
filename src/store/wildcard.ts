/** Wildcards: a pattern is the list of texts between its stars, so it has at least one part and one star fewer. */

/** Whether the whole value matches. Each part is found at its first place, so the cost is linear in the value. */
export function matchesWildcard(value: string, parts: readonly string[]): boolean {
  const last = parts.length - 1
  if (last === 0) return value === parts[0]
  if (!value.startsWith(parts[0])) return false
  let at = parts[0].length
  for (let i = 1; i < last; i++) {
    const found = value.indexOf(parts[i], at)
    if (found === -1) return false
    at = found + parts[i].length
  }
  return value.length - parts[last].length >= at && value.endsWith(parts[last])
}

/** The pattern for SQLite's GLOB, in which `?` and `[` mean something as well. */
export function globOf(parts: readonly string[]): string {
  return parts.map((part) => part.replace(/[*?[]/g, '[$&]')).join('*')
}

/** A prefix pattern (`abc*`) gives its prefix, any other null. */
export function prefixOf(parts: readonly string[]): string | null {
  return parts.length === 2 && parts[1] === '' && parts[0] !== '' ? parts[0] : null
}

/** Splits a pattern at a separator: stars stay in the piece where they stand. */
export function splitPattern(parts: readonly string[], separator: RegExp): string[][] {
  const pieces: string[][] = [[]]
  for (const part of parts) {
    const [first, ...rest] = part.split(separator)
    pieces[pieces.length - 1].push(first)
    for (const piece of rest) pieces.push([piece])
  }
  return pieces.filter((piece) => piece.some((text) => text !== ''))
}
