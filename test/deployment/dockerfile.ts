/** Reads a Dockerfile as far as tests ask: stages, and their instructions with continued lines joined. */
import { readFileSync } from 'node:fs'

export interface Instruction {
  readonly name: string
  /** What follows the name, continued lines joined by a space. */
  readonly rest: string
}

export interface Copy {
  /** The stage that it copies from; undefined for the context. */
  readonly from: string | undefined
  readonly sources: readonly string[]
  readonly target: string
}

export interface Stage {
  readonly name: string
  readonly image: string
  readonly instructions: readonly Instruction[]
  readonly copies: readonly Copy[]
}

export function readDockerfile(path: string): Stage[] {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !/^\s*#/.test(line) && line.trim() !== '')
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
  const stages: { name: string; image: string; instructions: Instruction[]; copies: Copy[] }[] = []
  for (const line of lines) {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line)!
    if (name === 'FROM') {
      const [, image, stage] = /^(\S+)(?: AS (\S+))?$/.exec(rest)!
      stages.push({ name: stage ?? '', image, instructions: [], copies: [] })
      continue
    }
    const stage = stages.at(-1)!
    stage.instructions.push({ name, rest })
    if (name === 'COPY') stage.copies.push(copyOf(rest))
  }
  return stages
}

function copyOf(rest: string): Copy {
  const words = rest.split(/\s+/)
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
  const paths = words.filter((word) => !word.startsWith('--'))
  return { from, sources: paths.slice(0, -1), target: paths.at(-1)! }
}
