/**
 * The engine on rules and events that nobody here wrote: half of SigmaHQ's, where they are at hand. What is refused, why, and
 * which rules find which event stands in `public-rules.md`, to be looked through; UPDATE=1 writes it anew.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readRules } from '../../../src/detect/rules.ts'
import { type CompiledRule, compileRule } from '../../../src/detect/sigma/compile.ts'
import { SigmaEngine } from '../../../src/detect/sigma/engine.ts'
import { parseSigma, type SigmaLogSource, type SigmaRule } from '../../../src/detect/sigma/parse.ts'
import { problemOf } from '../../../src/detect/sigma/problem.ts'
import { eventFiles, PUBLIC, readEvents, sourcesOf } from './public.ts'
import { PLAIN, type Plain } from './support.ts'

const { folder, present, missing } = PUBLIC
if (!present) {
  process.stderr.write(
    `SKIPPED: no public Sigma rules and events: ${folder} lacks ${missing.join(' and ')} (BORESCOPE_SIGMA names another folder)\n`,
  )
}

const GOLDEN = join(import.meta.dirname, 'public-rules.md')
const UPDATE = process.env['UPDATE'] === '1'

describe.skipIf(!present)('public Sigma rules', () => {
  const compiled = new Map<string, CompiledRule<Plain>>()
  const texts: { file: string; text: string }[] = []
  const refused: string[] = []
  let rules = 0
  if (present) {
    for (const file of readdirSync(join(folder, 'rules'), { recursive: true, encoding: 'utf8' }).sort()) {
      if (!file.endsWith('.yml')) continue
      const text = readFileSync(join(folder, 'rules', file), 'utf8')
      texts.push({ file, text })
      const content = parseSigma(text, file)
      for (const { line, key, message } of content.problems) refused.push(`${file}:${line}: ${key}: ${message}`)
      for (const rule of content.rules) {
        rules++
        try {
          compiled.set(rule.id ?? file, compileRule(rule, PLAIN))
        } catch (error) {
          const { line, key, message } = problemOf(file, error)
          refused.push(`${file}:${line}: ${key}: ${message}`)
        }
      }
    }
  }
  const events = present ? eventFiles() : []
  // The list was reviewed for certain events; with others it says nothing.
  const listed = [...readFileSync(GOLDEN, 'utf8').matchAll(/^- ([0-9a-f-]{36})(?=:|$)/gm)].map(([, id]) => `${id}.json`)
  const isReviewed = listed.join() === events.join()
  if (present && !isReviewed && !UPDATE) {
    process.stderr.write(
      `SKIPPED: the reviewed list is of other events than those in ${folder} (UPDATE=1 writes it anew)\n`,
    )
  }

  it('compile, all but those that need placeholders', () => {
    expect(rules, `${folder}/rules holds no rule`).toBeGreaterThan(0)
    expect(events.length, `${folder}/events holds no event`).toBeGreaterThan(0)
    expect(refused.filter((line) => !line.includes('the modifier expand'))).toEqual([])
    expect(compiled.size + refused.length).toBe(rules)
  })

  it.each(events)('find the event %s', (name) => {
    const rule = compiled.get(name.replace('.json', ''))
    expect(rule, `no rule that compiles has the id of ${name}`).toBeDefined()
    expect(readEvents(name).some(rule!.matches), `${rule!.rule.file} does not find the event`).toBe(true)
  })

  it('match the same whether they are tried one by one or looked up', () => {
    const nowhere = { product: undefined, category: undefined, service: undefined }
    const everywhere: SigmaRule[] = [...compiled.values()].map(({ rule }) => ({ ...rule, logsource: nowhere }))
    const { observe, found } = engineOf(everywhere)
    for (const name of events) {
      for (const event of readEvents(name)) {
        observe(event, nowhere)
        const expected = [...compiled.values()].filter(({ matches }) => matches(event)).map(({ rule }) => rule.id)
        expect(found.splice(0).sort()).toEqual(expected.sort())
      }
    }
  })

  it('are evaluated only where they may match, however many there are', () => {
    const { engine, observe } = engineOf([...compiled.values()].map(({ rule }) => rule))
    let observed = 0
    for (const name of events) {
      for (const event of readEvents(name)) {
        observed++
        for (const source of sourcesOf(event)) observe(event, source)
      }
    }
    expect(engine.evaluations / observed).toBeLessThan(isReviewed ? 12 : Math.max(12, compiled.size / 50))
  })

  it.skipIf(!isReviewed && !UPDATE)('are refused, left out and fired as the reviewed list says', () => {
    const lines = ['# Public rules', '', 'Written by `UPDATE=1 npx vitest run test/detect/sigma/public.test.ts`.', '']
    lines.push(`${rules} rules: ${compiled.size} compile, ${refused.length} are refused by the engine.`, '')
    lines.push('## Refused', '', ...refused.map((line) => `- ${line}`), '')

    const set = readRules(texts)
    const sources = new Map<string, { runs: number; leftOut: number }>()
    const count = (logsource: SigmaLogSource, what: 'runs' | 'leftOut') => {
      const text = [logsource.product, logsource.category, logsource.service].map((part) => part ?? '-').join(' / ')
      const counts = sources.get(text) ?? { runs: 0, leftOut: 0 }
      counts[what]++
      sources.set(text, counts)
    }
    const running = new Set(set.rules.map(({ file, line }) => `${file}:${line}`))
    for (const { rule } of compiled.values())
      count(rule.logsource, running.has(`${rule.file}:${rule.line}`) ? 'runs' : 'leftOut')
    lines.push('## On our events', '', '| product / category / service | run | left out |', '| --- | --- | --- |')
    for (const [source, { runs, leftOut }] of [...sources].sort()) lines.push(`| ${source} | ${runs} | ${leftOut} |`)
    const others = set.problems.filter(
      ({ key, message }) => key !== 'tags' && !/^no events here come from|^the modifier expand/.test(message),
    )
    lines.push('', 'Left out for another reason than their log source:', '')
    for (const { file, line, key, message } of others) lines.push(`- ${file}:${line}: ${key}: ${message}`)

    lines.push('', '## Events', '', 'Each event, and the rules that find it besides the one that it is named for.', '')
    const { observe, found } = engineOf([...compiled.values()].map(({ rule }) => rule))
    for (const name of events) {
      for (const event of readEvents(name)) for (const source of sourcesOf(event)) observe(event, source)
      const own = name.replace('.json', '')
      const rest = [...new Set(found.splice(0))].filter((id) => id !== own).sort()
      lines.push(`- ${own}${rest.length === 0 ? '' : `: ${rest.join(', ')}`}`)
    }
    const text = `${lines.join('\n')}\n`
    if (UPDATE) writeFileSync(GOLDEN, text)
    expect(text).toBe(readFileSync(GOLDEN, 'utf8'))
  })

  function engineOf(of: readonly SigmaRule[]) {
    const found: (string | undefined)[] = []
    const handlers = { matched: (rule: SigmaRule) => found.push(rule.id), fired() {}, ended() {} }
    const engine = new SigmaEngine({ rules: of, correlations: [] }, PLAIN, handlers, {
      discriminator: 'EventID',
      groupsMax: 1,
      groupsBytesMax: 1e6,
    })
    const filed = new Map<string, ReturnType<typeof engine.source>>()
    const observe = (event: Plain, source: SigmaLogSource) => {
      const key = JSON.stringify(source)
      const rulesOf = filed.get(key) ?? engine.source(source)
      filed.set(key, rulesOf)
      engine.observe(event, rulesOf)
    }
    return { engine, observe, found }
  }
})
