/**
 * What a server is started with: its class path, resolved by Maven, and the few classes of ours, compiled. Both are kept in
 * `${XDG_CACHE_HOME:-~/.cache}/borescope-test-servers`, under a name made of what they depend on, so that they are made once.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findJdk } from './jdk.ts'
import { type KindName, SERVER_KINDS, type ServerKind } from './kinds.ts'

export interface Installation {
  /** Path of the java command. */
  readonly java: string
  /** Up to and with the main class; settings and plugins come after. */
  readonly arguments: readonly string[]
  /** What was in the archives of its kind, if it has any. */
  readonly archives: string
}

/** Why a server cannot be run on this machine. */
export class NotInstallable extends Error {
  override readonly name = 'NotInstallable'
}

const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'borescope-test-servers')
const SOURCES = join(import.meta.dirname, 'java')

const run = promisify(execFile)

/** Makes a kind of server ready to be started. Throws `NotInstallable` with what is missing. */
export async function install(name: KindName): Promise<Installation> {
  const kind = SERVER_KINDS[name]
  const jdk = findJdk(kind.jdkMin)
  if (jdk === null) {
    throw new NotInstallable(`it needs a JDK ${kind.jdkMin} or newer (JAVA_HOME, /usr/lib/jvm, or javac on the path)`)
  }
  const sources = kind.sources.flatMap((folder) => globSync(join(SOURCES, folder, '**/*.java'))).toSorted()
  const key = createHash('sha256')
    .update(
      JSON.stringify([
        kind.artifacts,
        kind.libraries,
        jdk,
        sources.map((path) => readFileSync(path, 'utf8')),
        ...(kind.archives ?? []),
      ]),
    )
    .digest('hex')
    .slice(0, 16)
  const folder = join(CACHE, `${name}-${key}`)

  if (!isWhole(folder)) {
    mkdirSync(CACHE, { recursive: true })
    await alone(join(CACHE, 'lock.db'), async () => {
      // Another run may have made it while this one waited.
      if (!isWhole(folder)) await make(folder, kind, jdk.home, sources)
    })
  }
  const archives = join(folder, 'archives')
  const classPath = [
    join(folder, 'classes'),
    readFileSync(join(folder, 'classpath'), 'utf8'),
    ...(kind.archives === undefined ? [] : [join(archives, '*')]),
  ].join(delimiter)
  return {
    archives,
    java: join(jdk.home, 'bin/java'),
    arguments: [
      ...kind.options,
      `-Des.nativelibs.path=${join(folder, 'native')}`,
      ...['-cp', classPath],
      kind.mainClass,
    ],
  }
}

/** Maven's own repository, where the jars are, may have been emptied meanwhile. */
function isWhole(folder: string): boolean {
  const path = join(folder, 'classpath')
  return existsSync(path) && readFileSync(path, 'utf8').split(delimiter).every(existsSync)
}

async function make(folder: string, kind: ServerKind, jdkHome: string, sources: readonly string[]): Promise<void> {
  const draft = mkdtempSync(`${folder}.`)
  try {
    writeFileSync(join(draft, 'pom.xml'), pom(kind.artifacts))
    const goal = ['dependency:build-classpath', `-Dmdep.outputFile=${join(draft, 'classpath')}`]
    await attempt('mvn', ['--batch-mode', '--quiet', '--file', join(draft, 'pom.xml'), ...goal])
    const classPath = readFileSync(join(draft, 'classpath'), 'utf8').trim()
    writeFileSync(join(draft, 'classpath'), classPath)
    for (const [i, archive] of (kind.archives ?? []).entries()) {
      writeFileSync(join(draft, `archive${i}.xml`), pom([archive], 'zip'))
      const unpack = ['dependency:unpack-dependencies', `-DoutputDirectory=${join(draft, 'archives')}`]
      await attempt('mvn', ['--batch-mode', '--quiet', '--file', join(draft, `archive${i}.xml`), ...unpack])
    }
    mkdirSync(join(draft, 'native'))
    for (const library of kind.libraries) symlinkSync(findLibrary(library), join(draft, 'native', fileNameOf(library)))
    await attempt(join(jdkHome, 'bin/javac'), ['-d', join(draft, 'classes'), '-cp', classPath, ...sources])
    rmSync(folder, { recursive: true, force: true })
    renameSync(draft, folder)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** The file of a library with the suffix that it is loaded by; on Linux that one comes with development packages only. */
function findLibrary(name: string): string {
  const patterns = [`/{lib,lib64,usr/lib,usr/lib64,usr/local/lib}{,/*-linux-*}/${fileNameOf(name)}{,.?}`]
  if (process.platform === 'darwin') patterns.push(`/{opt/homebrew,usr/local}/lib/${fileNameOf(name)}`)
  const path = patterns.flatMap((pattern) => globSync(pattern)).at(0)
  if (path === undefined) throw new NotInstallable(`it needs ${fileNameOf(name)}, which is not installed`)
  return path
}

function fileNameOf(library: string): string {
  return `lib${library}.${process.platform === 'darwin' ? 'dylib' : 'so'}`
}

async function attempt(command: string, words: readonly string[]): Promise<void> {
  try {
    await run(command, words)
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    if (code === 'ENOENT') throw new NotInstallable(`it needs ${command}, which is not installed`, { cause: error })
    throw new NotInstallable(`${command} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

function pom(artifacts: readonly string[], type = 'jar'): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version><type>${type}</type></dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>borescope</groupId><artifactId>test-server</artifactId><version>1</version>
<dependencies>
${dependencies.join('\n')}
</dependencies>
</project>
`
}

/**
 * Lets one process at a time do something, for Maven does not share its repository between processes. The lock is the operating
 * system's, taken through SQLite: it ends with the process, however that ends.
 */
async function alone(path: string, action: () => Promise<void>): Promise<void> {
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    while (!acquire(lock)) await delay(200)
    await action()
  } finally {
    lock.close()
  }
}

function acquire(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked')) return false
    throw error
  }
}
