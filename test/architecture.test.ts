import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

/** Which rooms a room may import from besides itself; `*` is everything. What is built on top of the rooms imports all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  events: ['base'],
  capture: ['base'],
  dissect: ['base', 'wire', 'events'],
  track: ['base', 'wire', 'events', 'dissect'],
  evidence: ['base', 'wire', 'events', 'capture', 'dissect', 'track'],
  enrich: ['base', 'events'],
  detect: ['base', 'events'],
  store: ['base', 'events'],
  output: ['base', 'events'],
  dashboards: ['base', 'events'],
  respond: ['base', 'events'],
  service: ['base', 'events'],
  api: ['base', 'events', 'store'],
  commands: ['*'],
  parallel: ['*'],
  '': ['*'],
}

/** The files that say what the things of their room have in common, and list them. */
const PLURAL_FILES = new Set([
  'capture/sources.ts',
  'track/trackers.ts',
  'enrich/enrichers.ts',
  'detect/detectors.ts',
  'store/stores.ts',
  'output/sinks.ts',
  'dashboards/dashboards.ts',
  'respond/responders.ts',
])

/** Static imports, re-exports and dynamic imports of a file by a relative path. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'";]*?from\s+'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'\s*\)|new URL\(\s*'(\.[^']+\.ts)'/g

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(join(ROOT, folder), join(entry.parentPath, entry.name)))
    .sort()
}

/** The files that a file imports, for their types too: a circle of types is a circle. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, 'src', file), 'utf8')
  return [...source.matchAll(IMPORT)].map(([, ...paths]) =>
    join(dirname(file), paths.find((path) => path !== undefined) ?? ''),
  )
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : ''
}

const FILES = filesUnder('src')
const IMPORTS = new Map(FILES.map((file) => [file, importsOf(file)]))
const EDGES = [...IMPORTS].flatMap(([from, imports]) => imports.map((to) => ({ from, to })))

test('the sources are found, and their imports', () => {
  expect(FILES.length).toBeGreaterThan(50)
  expect(EDGES).toContainEqual({ from: 'wire/udp.ts', to: 'base/bytes.ts' })
  expect(EDGES).toContainEqual({ from: 'dissect/frame.ts', to: 'wire/ip.ts' })
})

test('every import names a file that is there', () => {
  const names = new Set(readdirSync(join(ROOT, 'src'), { recursive: true }).map(String))
  expect(EDGES.filter(({ to }) => !to.startsWith('..') && !names.has(to))).toEqual([])
})

test('every room is known, and imports only from the rooms below it', () => {
  expect([...new Set(FILES.map(roomOf))].filter((room) => !(room in MAY_IMPORT))).toEqual([])
  const wrong = EDGES.filter(({ from, to }) => {
    const allowed = MAY_IMPORT[roomOf(from)]
    return (
      !to.startsWith('..') && roomOf(from) !== roomOf(to) && !allowed.includes('*') && !allowed.includes(roomOf(to))
    )
  })
  expect(wrong).toEqual([])
})

test('nothing in src imports from outside it, but for the package itself', () => {
  expect(EDGES.filter(({ to }) => to.startsWith('..') && to !== '../package.json')).toEqual([])
})

test('the Sigma engine can be lifted out: it needs nothing of the project', () => {
  const own = FILES.filter((file) => file.startsWith('detect/sigma/'))
  expect(own.length).toBeGreaterThan(10)
  expect(EDGES.filter(({ from, to }) => own.includes(from) && !own.includes(to))).toEqual([])
  const packages = own.flatMap((file) => {
    const source = readFileSync(join(ROOT, 'src', file), 'utf8')
    return [...source.matchAll(/\sfrom '([^.'][^']*)'/g)].map(([, name]) => name)
  })
  expect([...new Set(packages)].sort()).toEqual(['node:crypto', 'yaml'])
})

test('what a file lists does not import the list', () => {
  const listed = new Set(EDGES.filter(({ from }) => PLURAL_FILES.has(from)).map(({ from, to }) => `${to} < ${from}`))
  expect(EDGES.filter(({ from, to }) => listed.has(`${from} < ${to}`))).toEqual([])
})

test('no file imports itself, however long the way', () => {
  const cycles: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const seenAt = path.indexOf(file)
    if (seenAt !== -1) cycles.push([...path.slice(seenAt), file])
    if (seenAt !== -1 || done.has(file)) return
    path.push(file)
    for (const to of IMPORTS.get(file) ?? []) visit(to)
    path.pop()
    done.add(file)
  }
  for (const file of FILES) visit(file)
  expect(cycles).toEqual([])
})

test('every file says first what it is', () => {
  const silent = FILES.filter((file) => !/^(#!.*\n)?\/\*\*/.test(readFileSync(join(ROOT, 'src', file), 'utf8')))
  expect(silent).toEqual([])
})

test('every test file stands where its source does', () => {
  const sources = new Set(FILES.map((file) => file.replace(/\.tsx?$/, '')))
  const folders = new Set(['base', 'wire', 'dissect', 'events'])
  const strays = filesUnder('test')
    .filter((file) => file.endsWith('.test.ts') && folders.has(roomOf(file)))
    .filter((file) => !sources.has(file.replace('.test.ts', '')))
  expect(strays).toEqual([])
})
