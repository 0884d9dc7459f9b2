/** Texts that stand in whatever a regular expression finds: rules with such expressions are looked up by them. */
import { type CharSet, hasCode, parseRegex, type RegexNode } from './regex.ts'

/** Characters beyond ASCII whose capitals are ASCII; they stay what they are in lower case. */
const STRANGE_CAPITALS = [0x131, 0x17f]

/**
 * Of each alternative the longest text (ASCII, in lower case) that every text with a match of it holds, when that is in lower case,
 * too; null if one of them has none. Takes what `compileRegex` takes.
 */
export function regexLiterals(source: string, ignoreCase: boolean): readonly string[] | null {
  const root = parseRegex(source, { ignoreCase, multiline: false, dotAll: false })
  const alternatives = root.kind === 'alt' ? root.parts : [root]
  const literals = alternatives.map((node) => longestOf(runsOf(node)))
  return literals.includes('') ? null : literals
}

/** Texts that a match holds, one after the other; between two of them stands anything. The last one may go on. */
function runsOf(node: RegexNode): readonly string[] {
  switch (node.kind) {
    case 'set': {
      const character = characterOf(node.set)
      return character === null ? ['', ''] : [character]
    }
    case 'assert':
    case 'look':
      return ['']
    case 'cat':
      return node.parts.map(runsOf).reduce(joined, [''])
    case 'repeat':
      if (node.min === 0) return ['', '']
      return node.max === 1 ? runsOf(node.part) : ['', longestOf(runsOf(node.part)), '']
    case 'alt':
    case 'empty':
      return ['', '']
  }
}

function joined(before: readonly string[], after: readonly string[]): readonly string[] {
  return [...before.slice(0, -1), before[before.length - 1] + after[0], ...after.slice(1)]
}

function longestOf(runs: readonly string[]): string {
  return runs.reduce((longest, run) => (run.length > longest.length ? run : longest), '')
}

/** The only character of a set, however it is written; null if there are several. */
function characterOf(set: CharSet): string | null {
  if (set.negated || set.ranges.some((code) => code >= 128)) return null
  if (STRANGE_CAPITALS.some((code) => hasCode(set, code))) return null
  const characters = new Set<string>()
  for (let code = 0; code < 128; code++)
    if (set.ascii[code] === 1) characters.add(String.fromCharCode(code).toLowerCase())
  const [only] = characters
  return characters.size === 1 ? only : null
}
