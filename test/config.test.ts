import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError, describeConfig, loadConfig, loadEspKeys, loadStoreSecrets, maskSecrets } from '../src/config.ts'

const SECRET = 'hunter2-Tr0ub4dor'
const folder = mkdtempSync(join(tmpdir(), 'borescope-config-'))
let files = 0

afterAll(() => rmSync(folder, { recursive: true }))

function fileOf(yaml: string): string {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, yaml)
  return path
}

function load(yaml: string, environment: Record<string, string> = {}) {
  return loadConfig(fileOf(yaml), environment).config
}

/** The message of the error, with `FILE` for the path of the file. */
function problemOf(yaml: string | null, environment: Record<string, string> = {}): string {
  const path = yaml === null ? undefined : fileOf(yaml)
  try {
    loadConfig(path, environment)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    const { message } = error as Error
    return path === undefined ? message : message.replaceAll(path, 'FILE')
  }
  throw new Error('the configuration was accepted')
}

describe('defaults', () => {
  test('hold where nothing else is said', () => {
    const { config, file } = loadConfig(undefined, {})
    expect(file).toBeNull()
    expect(config.capture.l2tpPorts).toEqual([1701])
    expect(config.track.tunnelsMax).toBe(100_000)
    expect(config.secrets.l2tp).toEqual([])
    expect(load('')).toEqual(config)
    expect(load('# nothing\n')).toEqual(config)
    expect(load('{}')).toEqual(config)
  })

  test('hold in a section whose keys are commented out', () => {
    expect(load('track:\n#  tunnelsMax: 5\nsecrets:\n')).toEqual(load(''))
  })

  test('every key has one of its own kind, and a sentence about it', () => {
    const { config } = loadConfig(undefined, {})
    const rows = describeConfig()
    expect(rows.length).toBeGreaterThan(20)
    for (const { key, fallback, says } of rows) {
      const value = key.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], config)
      expect(value).toEqual(fallback)
      expect(says).toMatch(/\.$/)
    }
  })
})

describe('a file', () => {
  test('overrides the defaults that it names', () => {
    const config = load(
      'capture:\n  l2tpPorts: [1701, 1702]\ntrack: { tunnelsMax: 5 }\nsecrets:\n  l2tp:\n    - one\n    - two\n',
    )
    expect(config.capture.l2tpPorts).toEqual([1701, 1702])
    expect(config.track).toMatchObject({ tunnelsMax: 5, sessionsMax: 1_000_000 })
    expect(config.secrets.l2tp).toEqual(['one', 'two'])
  })

  test('may be named by the environment, but not against the command line', () => {
    const path = fileOf('track: { tunnelsMax: 7 }')
    expect(loadConfig(undefined, { BORESCOPE_CONFIG: path })).toMatchObject({
      file: path,
      config: { track: { tunnelsMax: 7 } },
    })
    expect(loadConfig(fileOf(''), { BORESCOPE_CONFIG: path }).config.track.tunnelsMax).toBe(100_000)
    expect(loadConfig(undefined, { BORESCOPE_CONFIG: '' }).file).toBeNull()
  })

  test('may use anchors', () => {
    const config = load('capture: { fragmentsMax: &bound 12 }\ntrack: { tunnelsMax: *bound }\n')
    expect([config.capture.fragmentsMax, config.track.tunnelsMax]).toEqual([12, 12])
  })
})

describe('a mistake in a file names file, line, key and expectation', () => {
  test('a value of another kind', () => {
    expect(problemOf('sensor:\n  name: a\ntrack:\n  tunnelsMax: many\n')).toBe(
      'FILE:4: track.tunnelsMax: Invalid input: expected number, received string',
    )
  })

  test('a value out of bounds', () => {
    expect(problemOf('track:\n  tunnelsMax: 0\n')).toMatch(
      /^FILE:2: track\.tunnelsMax: Too small: expected number to be >=1$/,
    )
    expect(problemOf('capture:\n  duplicateWindowMs: 5000\n')).toMatch(
      /^FILE:2: capture\.duplicateWindowMs: Too big: expected number to be <=1000$/,
    )
  })

  test('an entry of a list, by its own line', () => {
    expect(problemOf('capture:\n  l2tpPorts:\n    - 1701\n    - 70000\n')).toMatch(
      /^FILE:4: capture\.l2tpPorts\.1: Too big/,
    )
  })

  test('a null value', () => {
    expect(problemOf('track:\n  tunnelsMax:\n')).toMatch(
      /^FILE:2: track\.tunnelsMax: .*expected number, received null$/,
    )
  })

  test('a section that is a text', () => {
    expect(problemOf('track: fast\n')).toMatch(/^FILE:1: track: .*expected object, received string$/)
  })

  test('unknown keys, with the ones that are known', () => {
    const problem = problemOf('sensor: { name: a }\ntrack:\n  tunnelMax: 5\n  fast: true\n')
    const [first, second, ...rest] = problem.split('\n')
    expect(first).toMatch(/^FILE:3: track\.tunnelMax: no such key; known here: tunnelsMax, sessionsMax, /)
    expect(second).toMatch(/^FILE:4: track\.fast: no such key; known here: /)
    expect(rest).toEqual([])
    expect(problemOf('trak: {}\n')).toMatch(/^FILE:1: trak: no such key; known here: sensor, capture, track, /)
    expect(problemOf('trak:\n')).toMatch(/^FILE:1: trak: no such key/)
  })

  test('several mistakes are told at once', () => {
    expect(problemOf('track:\n  tunnelsMax: x\ncapture:\n  fragmentsMax: y\n').split('\n')).toHaveLength(2)
  })

  test('broken YAML', () => {
    expect(problemOf('track:\n  tunnelsMax: "5\n')).toMatch(/^FILE:\d: Missing closing "quote$/)
    expect(problemOf('track: {\n')).toMatch(/^FILE:\d: /)
  })

  test('a key that stands twice', () => {
    expect(problemOf('track: {}\nsensor: { name: a }\ntrack: {}\n')).toMatch(/^FILE:3: Map keys must be unique$/)
  })

  test('a file that is no map', () => {
    expect(problemOf('- a\n- b\n')).toBe('FILE:1: expected keys such as "track:", found a list')
    expect(problemOf('text\n')).toBe('FILE:1: expected keys such as "track:", found a string')
    expect(problemOf('5\n')).toBe('FILE:1: expected keys such as "track:", found a number')
  })

  test('an alias without an anchor, and aliases that explode', () => {
    expect(problemOf('sensor:\n  name: *nobody\n')).toBe(
      'FILE:2: an alias without its anchor; a text that begins with * needs quotes',
    )
    const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`)
    expect(problemOf(`l0: &l0 [a]\n${levels.join('\n')}\n`)).toBe('FILE: too many aliases')
  })

  test('a file that cannot be read', () => {
    expect(() => loadConfig(join(folder, 'nowhere.yaml'), {})).toThrow(
      /nowhere\.yaml: cannot be read \(ENOENT.*; name another file with --config$/,
    )
    const directory = join(folder, 'directory')
    mkdirSync(directory)
    expect(() => loadConfig(directory, {})).toThrow(/directory: cannot be read \(EISDIR/)
  })
})

describe('the environment', () => {
  test('overrides the file', () => {
    const config = load('track: { tunnelsMax: 7, sessionsMax: 8 }', {
      BORESCOPE_TRACK__TUNNELS_MAX: '5',
      TRACK__TUNNELS_MAX: '9',
    })
    expect(config.track).toMatchObject({ tunnelsMax: 5, sessionsMax: 8 })
  })

  test('holds numbers, booleans, texts and lists', () => {
    const { config } = loadConfig(undefined, {
      BORESCOPE_CAPTURE__L2TP_PORTS: '1701, 1702',
      BORESCOPE_CAPTURE__DUPLICATE_WINDOW_MS: '0.5',
      BORESCOPE_DETECT__BUILTIN: 'false',
      BORESCOPE_SENSOR__NAME: '42',
      BORESCOPE_SECRETS__L2TP: 'one,two',
    })
    expect(config.capture).toMatchObject({ l2tpPorts: [1701, 1702], duplicateWindowMs: 0.5 })
    expect(config.detect.builtin).toBe(false)
    expect(config.sensor.name).toBe('42')
    expect(config.secrets.l2tp).toEqual(['one', 'two'])
  })

  test('a mistake names the variable', () => {
    const name = 'environment variable BORESCOPE'
    expect(problemOf(null, { BORESCOPE_TRACK__TUNNELS_MAX: 'x' })).toBe(
      `${name}_TRACK__TUNNELS_MAX: track.tunnelsMax: Invalid input: expected number, received string`,
    )
    expect(problemOf(null, { BORESCOPE_DETECT__BUILTIN: 'yes' })).toMatch(
      new RegExp(`^${name}_DETECT__BUILTIN: detect\\.builtin: .*expected boolean`),
    )
    expect(problemOf(null, { BORESCOPE_CAPTURE__L2TP_PORTS: '1701,x' })).toMatch(
      new RegExp(`^${name}_CAPTURE__L2TP_PORTS: capture\\.l2tpPorts\\.1: `),
    )
    expect(problemOf(null, { BORESCOPE_TRACK__FAST: '1' })).toMatch(
      new RegExp(`^${name}_TRACK__FAST: track\\.fast: no such key; known here: tunnelsMax`),
    )
    expect(problemOf(null, { BORESCOPE_TRAK__FAST: '1' })).toMatch(new RegExp(`^${name}_TRAK__FAST: trak: no such key`))
    expect(problemOf(null, { BORESCOPE_TRACK__FAST__VERY: '1' })).toMatch(
      new RegExp(`^${name}_TRACK__FAST__VERY: track\\.fast: no such key`),
    )
  })
})

describe('secrets', () => {
  test('are masked for people', () => {
    const config = load(`secrets: { l2tp: [${SECRET}, other] }`)
    const masked = maskSecrets(config)
    expect(JSON.stringify(masked)).not.toContain(SECRET)
    expect(masked.secrets.l2tp).toEqual(['********', '********'])
    expect(config.secrets.l2tp[0]).toBe(SECRET)
  })

  test('of PPP users are passwords or NT hashes, masked by their names', () => {
    const hash = '44EBBA8D5312B8D611474411F56989AE'
    const config = load(`secrets: { ppp: [{ user: alice, password: ${SECRET} }, { user: bob, ntHash: ${hash} }] }`)
    expect(config.secrets.ppp).toEqual([
      { user: 'alice', password: SECRET },
      { user: 'bob', ntHash: hash },
    ])
    expect(maskSecrets(config).secrets.ppp).toEqual([
      { user: 'alice', password: '********' },
      { user: 'bob', ntHash: '********' },
    ])
    // An empty password is one that people have.
    expect(load('secrets: { ppp: [{ user: carol, password: "" }] }').secrets.ppp).toHaveLength(1)
    expect(problemOf('secrets: { ppp: [{ user: alice }] }')).toContain('expected either a password or an ntHash')
    expect(problemOf(`secrets: { ppp: [{ user: alice, password: x, ntHash: ${hash} }] }`)).toContain('expected either')
    expect(problemOf('secrets: { ppp: [{ user: alice, ntHash: abcd }] }')).toContain('expected 32 hexadecimal digits')
    expect(problemOf('secrets: { ppp: [{ password: abcd }] }')).toContain('secrets.ppp')
  })

  test.each([
    `secrets: { ppp: ${SECRET} }`,
    `secrets: { ppp: [${SECRET}] }`,
    `secrets: { ppp: [{ user: alice, ntHash: ${SECRET} }] }`,
    `secrets: { ppp: [{ user: alice, password: [${SECRET}] }] }`,
    `secrets: { ppp: [{ user: alice, password: { a: ${SECRET} } }] }`,
    `secrets: { ppp: [{ user: alice, password: "${SECRET} }] }`,
    `secrets: { l2tp: ${SECRET} }`,
    `secrets: { l2tp: { a: ${SECRET} } }`,
    `secrets: ${SECRET}`,
    `secrets:\n  l2tp: [${SECRET}, 5]`,
    `secrets:\n  l2tp: ["${SECRET}`,
    `secrets:\n  l2tp: [${SECRET}`,
    `secrets:\n  l2tp: *${SECRET}`,
    `secrets:\n  l2tp: [*${SECRET}]`,
    `secrets:\n  l2tp: [&${SECRET}]`,
    `secrets:\n  l2tp: [!${SECRET}]`,
    `secrets:\n  l2tp: !<${SECRET}> x]`,
    `secrets:\n  l2tp: !a!${SECRET} x`,
    `secrets:\n  l2tp: |${SECRET}\n    x`,
    `secrets:\n  l2tp: ["\\${SECRET}"]`,
    `secrets:\n  l2tp: [@${SECRET}]`,
    `secrets:\n  l2tp: [a]${SECRET}`,
    `secrets:\n  l2tp: [a]\n ${SECRET}`,
    `secrets:\n  l2tp: 'a' ${SECRET}`,
    `%${SECRET}\n---\nsecrets: 5`,
    `- ${SECRET}`,
    SECRET,
  ])('never appear in an error: %j', (yaml) => {
    expect(problemOf(yaml)).not.toContain(SECRET)
  })

  test('never appear in an error about the environment', () => {
    expect(problemOf(null, { BORESCOPE_SECRETS__L2TP: `${SECRET},` })).not.toContain(SECRET)
    expect(problemOf(null, { BORESCOPE_SECRETS__PPP: SECRET })).not.toContain(SECRET)
    expect(problemOf(null, { BORESCOPE_SECRETS__L2TP__X: SECRET })).not.toContain(SECRET)
    expect(problemOf(null, { BORESCOPE_SECRETS: SECRET, BORESCOPE_SECRETS__X: SECRET })).not.toContain(SECRET)
  })
})

describe('the keys of ESP', () => {
  const KEY = 'a1b2c3d4e5f60718293a4b5c6d7e8f90'

  function keysIn(text: string, mode = 0o600) {
    const path = fileOf(text)
    chmodSync(path, mode)
    return { path, config: load(`secrets: { espKeys: ${path} }`) }
  }

  const sa = (key: string): string => `"IPv4","*","192.0.2.1","0x1234","AES-CBC [RFC3602]","0x${key}","NULL",""\n`

  test('are none unless a file is named', () => {
    expect(loadEspKeys(load(''))).toEqual({ entries: [], warnings: [] })
  })

  test('come from the file that is named', () => {
    const { entries, warnings } = loadEspKeys(keysIn(sa(KEY)).config)
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({ spi: 0x1234 })
    expect(warnings).toEqual([])
  })

  test('in a file that others can read are used, with a warning', () => {
    const { path, config } = keysIn(sa(KEY), 0o644)
    const { entries, warnings } = loadEspKeys(config)
    expect(entries).toHaveLength(1)
    expect(warnings).toEqual([`${path} holds keys and is open to other users: chmod 600 ${path}`])
  })

  test('that are wrong are an error that names the line, and no key', () => {
    const { path, config } = keysIn(`${sa(KEY)}${sa(KEY.slice(0, 20))}`)
    const error = (() => {
      try {
        loadEspKeys(config)
      } catch (thrown) {
        return thrown
      }
      return undefined
    })()
    expect(error).toBeInstanceOf(ConfigError)
    const { message } = error as Error
    expect(message).toMatch(new RegExp(`^${path}: line 2: `))
    expect(message).not.toContain(KEY.slice(0, 8))
  })

  test('in a file that is not there are an error', () => {
    expect(() => loadEspKeys(load('secrets: { espKeys: /nowhere/keys }'))).toThrow(
      /^secrets.espKeys: \/nowhere\/keys cannot be read/,
    )
  })
})

describe('the store', () => {
  const NODES = 'nodes: [https://es1.example.net:9200]'

  test('is embedded, or a cluster with its nodes', () => {
    expect(load('').store).toMatchObject({ kind: 'embedded', nodes: [], namespace: 'default', verifyTls: true })
    expect(load(`store: { kind: opensearch, ${NODES} }`).store.nodes).toEqual(['https://es1.example.net:9200'])
    const { store } = loadConfig(undefined, {
      BORESCOPE_STORE__KIND: 'elasticsearch',
      BORESCOPE_STORE__NODES: 'https://es1:9200, https://es2:9200',
      BORESCOPE_STORE__API_KEY: SECRET,
      BORESCOPE_STORE__REPLICAS: '2',
    }).config
    expect(store).toMatchObject({ nodes: ['https://es1:9200', 'https://es2:9200'], apiKey: SECRET, replicas: 2 })
  })

  test.each([
    ['kind: elastic', /store\.kind: Invalid option: expected one of "embedded"\|"elasticsearch"\|"opensearch"/],
    ['kind: elasticsearch', /store\.nodes: a store of the kind elasticsearch needs at least one node/],
    [`{ kind: opensearch, nodes: [es1:9200] }`, /store\.nodes\.0: expected an address such as https/],
    [`{ kind: opensearch, nodes: ["https://u:p@es1:9200"] }`, /store\.nodes\.0: .*without a user/],
    [`{ kind: opensearch, ${NODES}, username: a }`, /store\.password: a user needs a password/],
    [`{ kind: opensearch, ${NODES}, password: ${SECRET} }`, /store\.username: a password needs its user/],
    [`{ kind: opensearch, ${NODES}, apiKey: ${SECRET} }`, /store\.apiKey: OpenSearch has no API keys/],
    [
      `{ kind: elasticsearch, ${NODES}, apiKey: ${SECRET}, username: a, password: ${SECRET} }`,
      /store\.apiKey: expected either a user or an API key/,
    ],
    [
      `{ kind: elasticsearch, ${NODES}, apiKey: ${SECRET}, apiKeyFile: /x }`,
      /store\.apiKeyFile: expected either apiKey or apiKeyFile/,
    ],
    [
      `{ kind: elasticsearch, ${NODES}, warmAfterDays: 90, deleteAfterDays: 90 }`,
      /store\.warmAfterDays: expected fewer days than deleteAfterDays/,
    ],
    [`{ namespace: My-Lab }`, /store\.namespace: expected lower-case letters/],
  ])('is refused with what is missing: %s', (yaml, says) => {
    const problem = problemOf(`store: ${yaml.startsWith('{') ? yaml : `{ ${yaml} }`}`)
    expect(problem).toMatch(says)
    expect(problem).not.toContain(SECRET)
  })

  test('has secrets that are masked for people', () => {
    const config = load(`store: { kind: elasticsearch, ${NODES}, username: a, password: ${SECRET} }`)
    const masked = maskSecrets(config).store
    expect(masked).toMatchObject({ username: 'a', password: '********', apiKey: '' })
    expect(config.store.password).toBe(SECRET)
  })

  test('takes them from files, and warns if others can read these', () => {
    const password = fileOf(`${SECRET}\n`)
    const ca = fileOf('-----BEGIN CERTIFICATE-----\n')
    chmodSync(password, 0o600)
    const config = load(`store: { kind: opensearch, ${NODES}, username: a, passwordFile: ${password}, caFile: ${ca} }`)
    expect(loadStoreSecrets(config)).toEqual({
      password: SECRET,
      apiKey: '',
      ca: '-----BEGIN CERTIFICATE-----\n',
      warnings: [],
    })
    chmodSync(password, 0o640)
    expect(loadStoreSecrets(config).warnings).toEqual([
      `${password} holds a secret and is open to other users: chmod 600 ${password}`,
    ])
    const with_ = (file: string) => load(`store: { kind: opensearch, ${NODES}, username: a, passwordFile: ${file} }`)
    expect(() => loadStoreSecrets(with_('/nowhere/x'))).toThrow(
      /^store\.passwordFile: \/nowhere\/x cannot be read \(ENOENT/,
    )
    expect(() => loadStoreSecrets(with_(fileOf('\n')))).toThrow(/ is empty$/)
    expect(() => loadStoreSecrets(load('store: { caFile: /nowhere/ca }'))).toThrow(/^store\.caFile: \/nowhere\/ca/)
  })
})
