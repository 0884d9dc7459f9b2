/** The JDKs of this machine. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

export interface Jdk {
  readonly home: string
  readonly major: number
}

/** Where Linux distributions and macOS put JDKs, each in a folder of its own. */
const FOLDERS: readonly (readonly [folder: string, homeInside: string])[] = [
  ['/usr/lib/jvm', ''],
  ['/usr/java', ''],
  ['/opt/java', ''],
  ['/Library/Java/JavaVirtualMachines', 'Contents/Home'],
]

/** The oldest JDK that is `majorMin` or newer: what a server was made for rather than what it may not know yet. */
export function findJdk(majorMin: number): Jdk | null {
  const fitting = [...new Set(candidates().filter((home) => existsSync(join(home, 'bin/javac'))))]
    .map((home) => ({ home, major: majorOf(home) }))
    .filter(({ major }) => major >= majorMin)
  return fitting.toSorted((a, b) => a.major - b.major).at(0) ?? null
}

function candidates(): string[] {
  const homes = Object.entries(process.env).flatMap(([name, value]) =>
    /^JAVA_HOME/.test(name) && value !== undefined ? [value] : [],
  )
  for (const [folder, homeInside] of FOLDERS) {
    if (existsSync(folder)) homes.push(...readdirSync(folder).map((name) => join(folder, name, homeInside)))
  }
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const compiler = join(folder, 'javac')
    if (existsSync(compiler)) homes.push(dirname(dirname(realpathSync(compiler))))
  }
  return homes.filter(existsSync).map((home) => realpathSync(home))
}

/** Of the JDK's own description of itself; 0 where there is none (they came with Java 8). */
function majorOf(home: string): number {
  const path = join(home, 'release')
  const [, version] = (existsSync(path) ? readFileSync(path, 'utf8') : '').match(/^JAVA_VERSION="(?:1\.)?(\d+)/m) ?? []
  return Number(version ?? 0)
}
