import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PIECE_CHARACTERS, type StateEntry } from '../src/detect/sigma/state.ts'
import { SavedState, type SavedStateOptions, type StatePart } from '../src/saved-state.ts'

let folder: string
let warnings: string[]
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'borescope-state-')), 'state')
  warnings = []
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true }))

/** Remembers numbers. */
class Numbers implements StatePart {
  readonly name: string
  readonly writer: string
  values: number[]

  constructor(name: string, values: number[] = [], version = 1) {
    this.name = name
    this.writer = `test.${name}/${version}`
    this.values = values
  }

  *entries(): Generator<StateEntry> {
    for (const value of this.values) yield { kind: 'number', value }
  }

  restore(entries: readonly StateEntry[]) {
    this.values = entries.map(({ value }) => value as number)
    return { restored: entries.length, outdated: 0 }
  }
}

function stateOf(parts: readonly StatePart[], options: Partial<SavedStateOptions> = {}) {
  const all = {
    folder,
    everyMs: 60_000,
    bytesMax: 100_000,
    settled: async () => {},
    warn: (m: string) => warnings.push(m),
  }
  return new SavedState(parts, { ...all, ...options }, 0)
}

const path = (name: string) => join(folder, `${name}.state`)

describe('what was saved', () => {
  test('is taken up by another process, each part by itself, and is for its owner only', async () => {
    const state = stateOf([new Numbers('one', [1, 2]), new Numbers('two', [3])])
    await state.saveNow()
    expect(state.status).toMatchObject({ entries: 3, leftOut: 0, failures: 0 })
    expect(readdirSync(folder).sort()).toEqual(['one.state', 'two.state'])
    expect(statSync(path('one')).mode & 0o777).toBe(0o600)
    const [one, two] = [new Numbers('one'), new Numbers('two')]
    expect(await stateOf([one, two]).restore()).toEqual([
      { name: 'one', restored: 2, outdated: 0, problem: null },
      { name: 'two', restored: 1, outdated: 0, problem: null },
    ])
    expect([one.values, two.values]).toEqual([[1, 2], [3]])
  })

  test('is nothing at the first start', async () => {
    expect(await stateOf([new Numbers('one')]).restore()).toEqual([
      { name: 'one', restored: 0, outdated: 0, problem: null },
    ])
  })

  test('of another version is named and left, and the others are taken up', async () => {
    await stateOf([new Numbers('one', [1]), new Numbers('two', [2])]).saveNow()
    const [one, two] = [new Numbers('one', [], 2), new Numbers('two')]
    const [first, second] = await stateOf([one, two]).restore()
    expect(first).toMatchObject({
      restored: 0,
      problem: expect.stringContaining(`${path('one')}: the state is not that of`),
    })
    expect(second).toMatchObject({ restored: 1, problem: null })
  })

  test('that is cut off or changed anywhere is named and left', async () => {
    await stateOf([new Numbers('one', [1, 22, 333])]).saveNow()
    const whole = readFileSync(path('one'))
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path('one'), whole.subarray(0, length))
      const one = new Numbers('one')
      const [{ problem }] = await stateOf([one]).restore()
      expect(problem, `cut at ${length}`).toContain(path('one'))
      expect(one.values).toEqual([])
    }
    // What the last line says beside the hash changes nothing.
    for (let at = 0; at < whole.lastIndexOf('{'); at += 3) {
      const changed = Uint8Array.from(whole)
      changed[at] ^= 1
      writeFileSync(path('one'), changed)
      const [{ problem }] = await stateOf([new Numbers('one')]).restore()
      expect(problem, `changed at ${at}`).not.toBeNull()
    }
  })

  test('that cannot be taken up for any other reason does not keep the sensor from starting', async () => {
    const part = new Numbers('one', [1])
    await stateOf([part]).saveNow()
    part.restore = () => {
      throw new TypeError('no such field')
    }
    expect((await stateOf([part]).restore())[0].problem).toContain('no such field')
  })

  test('has a bound: what matters least is left out and counted', async () => {
    const state = stateOf(
      [
        new Numbers(
          'one',
          Array.from({ length: 100 }, (_, i) => i),
        ),
      ],
      { bytesMax: 700 },
    )
    await state.saveNow()
    expect(statSync(path('one')).size).toBeLessThanOrEqual(700)
    expect(state.status.leftOut).toBeGreaterThan(50)
    const one = new Numbers('one')
    await stateOf([one]).restore()
    expect(one.values).toEqual(Array.from({ length: one.values.length }, (_, i) => i))
  })
})

describe('saving from time to time', () => {
  const idle = () => new Promise<void>((resolve) => setImmediate(resolve))
  async function until(condition: () => boolean) {
    while (!condition()) await idle()
  }

  test('begins when it is due, and after something important within a second', async () => {
    const part = new Numbers('one', [1])
    const state = stateOf([part])
    state.tick(59_999)
    await idle()
    expect(existsSync(path('one'))).toBe(false)
    state.tick(60_000)
    await until(() => state.status.saved !== null)
    part.values = [2]
    state.hasten(70_000)
    state.tick(70_999)
    await idle()
    expect(readFileSync(path('one'), 'utf8')).toContain('"value":1')
    state.tick(2_000_000)
    await until(() => readFileSync(path('one'), 'utf8').includes('"value":2'))
  })

  test('a state goes to its place only when the events before it are at rest', async () => {
    let settle: (() => void) | null = null
    const settled = () => new Promise<void>((resolve) => (settle = resolve))
    const part = new Numbers('one', [1])
    const state = stateOf([part], { settled })
    state.tick(60_000)
    await until(() => settle !== null)
    for (let i = 0; i < 20; i++) await idle()
    expect(readdirSync(folder)).toEqual(['one.state.partial'])
    // What happens meanwhile is not part of it.
    part.values = [2]
    settle!()
    await until(() => state.status.saved !== null)
    expect(readFileSync(path('one'), 'utf8')).toContain('"value":1')
  })

  test('nothing happens between the parts of a small state: what one of them knows the others do, too', async () => {
    let turns = 0
    const seen: number[] = []
    class Watched extends Numbers {
      override *entries(): Generator<StateEntry> {
        seen.push(turns)
        setImmediate(() => turns++)
        yield* super.entries()
      }
    }
    const state = stateOf([new Watched('one', [1]), new Watched('two', [2]), new Watched('three', [3])])
    await state.saveNow()
    expect(seen).toEqual([0, 0, 0])
  })

  test('a large state is taken in slices, between which others have their turn', async () => {
    const values = Array.from({ length: 60_000 }, (_, i) => i)
    const state = stateOf([new Numbers('one', values)], { bytesMax: 10_000_000 })
    state.tick(60_000)
    let turns = 0
    await until(() => ++turns > 0 && state.status.saved !== null)
    expect(turns).toBeGreaterThan(3)
    expect(state.status).toMatchObject({ entries: 60_000, leftOut: 0 })
  })

  test('what is written of a large state is not held in memory', async () => {
    const line = 'x'.repeat(1000)
    let held = 0
    const part: StatePart = {
      name: 'one',
      writer: 'test.one/1',
      *entries() {
        for (let taken = 0; taken < 5000; taken++) {
          const isBegun = existsSync(`${path('one')}.partial`)
          const written = isBegun ? statSync(`${path('one')}.partial`).size : 0
          held = Math.max(held, taken * line.length - written)
          yield { kind: 'line', line }
        }
      },
      restore: (entries) => ({ restored: entries.length, outdated: 0 }),
    }
    const state = stateOf([part], { bytesMax: 10_000_000, sliceMs: 0 })
    state.tick(60_000)
    await until(() => state.status.saved !== null)
    expect(held).toBeLessThan(2 * PIECE_CHARACTERS)
    expect(statSync(path('one')).size).toBeGreaterThan(5_000_000)
    expect(await state.restore()).toEqual([{ name: 'one', restored: 5000, outdated: 0, problem: null }])
  })

  test('a folder that cannot be written to is told once, and once when it is well again', async () => {
    writeFileSync(folder, 'a file')
    const state = stateOf([new Numbers('one', [1])])
    await state.saveNow()
    await state.saveNow()
    expect(state.status).toMatchObject({ saved: null, failures: 2, problem: warnings[0] })
    expect(warnings).toEqual([expect.stringContaining(`cannot be written to ${folder}`)])
    rmSync(folder)
    await state.saveNow()
    expect(warnings).toHaveLength(2)
    expect(warnings[1]).toContain('again')
    expect(state.status).toMatchObject({ failures: 2, problem: null })
  })
})
