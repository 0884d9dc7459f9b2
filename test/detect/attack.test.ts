import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  type AttackData,
  attackTag,
  isTechnique,
  tactic,
  tacticRank,
  techniqueName,
  techniqueSuccessor,
  techniqueTactics,
  techniqueUrl,
} from '../../src/detect/attack.ts'

const path = new URL('../../src/detect/attack-data.json', import.meta.url)
const DATA = JSON.parse(readFileSync(path, 'utf8')) as AttackData

describe('the ATT&CK table', () => {
  it('names techniques, their tactics and their pages', () => {
    expect(techniqueName('T1110.001')).toBe('Password Guessing')
    expect(techniqueTactics('T1110')).toEqual(['credential-access'])
    expect(techniqueUrl('T1110.001')).toBe('https://attack.mitre.org/techniques/T1110/001/')
    expect(techniqueUrl('T1110')).toBe('https://attack.mitre.org/techniques/T1110/')
    expect(tactic('credential-access')).toEqual({ id: 'TA0006', name: 'Credential Access' })
  })

  it('knows what took the place of a revoked technique', () => {
    expect(isTechnique('T1562.004')).toBe(false)
    expect(techniqueSuccessor('T1562.004')).toBe('T1686')
    expect(isTechnique('T1686')).toBe(true)
    expect(techniqueSuccessor('T1110')).toBeUndefined()
  })

  it('has the tactics and techniques of version 19', () => {
    expect(tactic('stealth')).toEqual({ id: 'TA0005', name: 'Stealth' })
    expect(tactic('defense-impairment')).toEqual({ id: 'TA0112', name: 'Defense Impairment' })
    expect(tactic('defense-evasion')).toBeUndefined()
    expect(techniqueTactics('T1685.005')).toEqual(['defense-impairment'])
    expect(techniqueName('T1685.005')).toBe('Clear Windows Event Logs')
    expect(techniqueTactics('T1600')).toEqual(['defense-impairment'])
    expect(techniqueTactics('T1211')).toEqual(['stealth'])
  })

  it('has a name and tactics for every successor of a revoked technique', () => {
    const successors = Object.values(DATA.revoked)
    expect(successors.length).toBeGreaterThan(10)
    for (const id of successors) expect(techniqueTactics(id), id).not.toEqual([])
  })

  it('orders every tactic as an attack goes', () => {
    const ids = Object.values(DATA.tactics).map(({ id }) => id)
    const ordered = ids.toSorted((a, b) => tacticRank(a) - tacticRank(b))
    expect(new Set(ids.map(tacticRank)).size).toBe(15)
    expect(ordered.slice(0, 3)).toEqual(['TA0043', 'TA0042', 'TA0001'])
    expect(ordered.slice(-3)).toEqual(['TA0011', 'TA0010', 'TA0040'])
    expect(tacticRank('TA0112')).toBe(tacticRank('TA0005') + 1)
    expect(tacticRank('TA9999')).toBe(15)
  })

  it('knows nothing of what does not exist', () => {
    for (const id of ['T9999', 'toString', '__proto__']) {
      expect(isTechnique(id)).toBe(false)
      expect(techniqueName(id)).toBeUndefined()
      expect(techniqueTactics(id)).toEqual([])
      expect(tactic(id)).toBeUndefined()
    }
  })

  it('is whole: every technique serves known tactics, every tactic is used, the notice is there', () => {
    const used = new Set(Object.values(DATA.techniques).flatMap(({ tactics }) => tactics))
    expect([...used].sort()).toEqual(Object.keys(DATA.tactics).sort())
    expect(Object.keys(DATA.techniques).length).toBeGreaterThan(600)
    expect(Object.keys(DATA.techniques).every((id) => /^T\d{4}(\.\d{3})?$/.test(id))).toBe(true)
    expect(DATA.notice).toContain('The MITRE Corporation')
  })

  it.each([
    ['attack.t1110.001', { kind: 'technique', id: 'T1110.001' }],
    ['attack.credential-access', { kind: 'tactic', id: 'credential-access' }],
    ['attack.credential_access', { kind: 'tactic', id: 'credential-access' }],
    ['attack.defense-evasion', { kind: 'tactic', id: 'stealth' }],
    ['attack.g0016', { kind: 'other', id: 'G0016' }],
    ['cve.2026-1', undefined],
  ])('reads the tag %s', (tag, expected) => {
    expect(attackTag(tag)).toEqual(expected)
  })
})
