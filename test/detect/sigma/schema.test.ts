/** The shipped rules against the JSON schemas of the Sigma specification, where they are at hand. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { RULES_FOLDER } from '../../rules/events.ts'
import { PUBLIC } from './public.ts'

const SCHEMAS = join(PUBLIC.folder, 'schema')
const present = existsSync(SCHEMAS)
if (!present)
  process.stderr.write(`SKIPPED: no schemas of Sigma in ${SCHEMAS} (BORESCOPE_SIGMA names another folder)\n`)

function validator(name: string) {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  const schema = JSON.parse(readFileSync(join(SCHEMAS, `sigma-${name}-schema.json`), 'utf8')) as Record<string, unknown>
  return ajv.compile({ ...schema, $schema: 'https://json-schema.org/draft/2020-12/schema' })
}

const files = readdirSync(RULES_FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yml') && !name.endsWith('.test.yml'))
  .sort()

describe.skipIf(!present)('the schemas of the specification', () => {
  const byKind = present
    ? {
        detection: validator('detection-rule'),
        correlation: validator('correlation-rules'),
        filter: validator('filters'),
      }
    : null

  it.each(files)('accept %s', (file) => {
    const documents = parseAllDocuments(readFileSync(join(RULES_FOLDER, file), 'utf8'))
    expect(documents.length).toBeGreaterThan(0)
    for (const document of documents) {
      const rule = document.toJS() as Record<string, unknown>
      const kind = 'correlation' in rule ? 'correlation' : 'filter' in rule ? 'filter' : 'detection'
      const validate = byKind![kind]
      validate(rule)
      expect(validate.errors ?? [], String(rule['title'])).toEqual([])
    }
  })

  it('refuse what is none', () => {
    expect(byKind!.detection({ title: 'x', logsource: {}, detection: {} })).toBe(false)
    expect(byKind!.correlation({ title: 'x', correlation: { type: 'sum' } })).toBe(false)
    expect(byKind!.filter({ title: 'x', logsource: {}, filter: {} })).toBe(false)
  })
})
