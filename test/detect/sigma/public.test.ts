/** The engine on rules and events that nobody here wrote: half of SigmaHQ's, where they are at hand. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CompiledRule, compileRule } from '../../../src/detect/sigma/compile.ts'
import { SigmaEngine } from '../../../src/detect/sigma/engine.ts'
import { parseSigma, type SigmaRule } from '../../../src/detect/sigma/parse.ts'
import { problemOf } from '../../../src/detect/sigma/problem.ts'
import { PLAIN, type Plain } from './support.ts'

const folder = process.env['BORESCOPE_SIGMA'] ?? join(import.meta.dirname, '../../../../shared/sigma')
const present = existsSync(join(folder, 'rules'))
if (!present)
  process.stderr.write(`SKIPPED: no public Sigma rules in ${folder} (BORESCOPE_SIGMA names another folder)\n`)

interface WindowsEvent {
  readonly System: {
    readonly EventID: unknown
    readonly Channel: unknown
    readonly Provider: { readonly '#attributes': { readonly Name: unknown } }
  }
  readonly EventData?: Plain | null
  readonly UserData?: Readonly<Record<string, Plain>> | null
}

/** A file holds one event or several, one after the other. */
function readEvents(path: string): Plain[] {
  return readFileSync(path, 'utf8')
    .split(/^(?=\{)/m)
    .map((text) => {
      const { System, EventData, UserData } = (JSON.parse(text) as { Event: WindowsEvent }).Event
      const provider = System.Provider['#attributes'].Name
      const payload = Object.assign({}, EventData, ...Object.values(UserData ?? {}))
      return { ...payload, EventID: System.EventID, Channel: System.Channel, Provider_Name: provider }
    })
}

describe.skipIf(!present)('public Sigma rules', () => {
  const compiled = new Map<string, CompiledRule<Plain>>()
  const refused: string[] = []
  let rules = 0
  if (present) {
    for (const name of readdirSync(join(folder, 'rules'), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.yml')) continue
      const content = parseSigma(readFileSync(join(folder, 'rules', name), 'utf8'), name)
      for (const { message } of content.problems) refused.push(`${name}: ${message}`)
      for (const rule of content.rules) {
        rules++
        try {
          compiled.set(rule.id ?? name, compileRule(rule, PLAIN))
        } catch (error) {
          refused.push(`${name}: ${problemOf(name, error).message}`)
        }
      }
    }
  }

  it('compile, all but those that need placeholders', () => {
    expect(rules).toBeGreaterThan(1000)
    expect(refused.filter((line) => !line.includes('the modifier expand'))).toEqual([])
    expect(compiled.size + refused.length).toBe(rules)
  })

  it.each(present ? readdirSync(join(folder, 'events')) : [])('find the event %s', (name) => {
    const rule = compiled.get(name.replace('.json', ''))
    expect(rule).toBeDefined()
    expect(readEvents(join(folder, 'events', name)).some(rule!.matches)).toBe(true)
  })

  it('match the same whether they are tried one by one or looked up', () => {
    const nowhere = { product: undefined, category: undefined, service: undefined }
    const rules: SigmaRule[] = [...compiled.values()].map(({ rule }) => ({ ...rule, logsource: nowhere }))
    const found: (string | undefined)[] = []
    const handlers = { matched: (rule: SigmaRule) => found.push(rule.id), fired() {}, ended() {} }
    const options = { discriminator: 'EventID', groupsMax: 1 }
    const engine = new SigmaEngine({ rules, correlations: [] }, PLAIN, handlers, options)
    const source = engine.source(nowhere)
    for (const name of readdirSync(join(folder, 'events'))) {
      for (const event of readEvents(join(folder, 'events', name))) {
        found.length = 0
        engine.observe(event, source)
        const expected = [...compiled.values()].filter(({ matches }) => matches(event)).map(({ rule }) => rule.id)
        expect(found.sort()).toEqual(expected.sort())
      }
    }
  })
})
