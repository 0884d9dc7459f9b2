import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { Endpoints, type EndpointsOptions } from '../../src/service/endpoints.ts'

let endpoints: Endpoints
afterEach(() => endpoints.close())

async function opened(options: Partial<EndpointsOptions> = {}) {
  endpoints = await Endpoints.open({
    host: '127.0.0.1',
    port: 0,
    anyName: false,
    stuck: () => null,
    troubles: () => [],
    status: () => ({ packets: 7 }),
    metrics: async () => 'borescope_packets_total 7\n',
    ...options,
  })
}

function ask(path: string, options: { method?: string; host?: string } = {}) {
  return new Promise<{ code: number | undefined; type: string | undefined; body: string }>((resolve, reject) => {
    const headers = options.host === undefined ? {} : { host: options.host }
    const asked = request({ host: '127.0.0.1', port: endpoints.port, path, method: options.method ?? 'GET', headers })
    asked.on('error', reject)
    asked.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ code: response.statusCode, type: response.headers['content-type'], body }))
    })
    asked.end()
  })
}

test('a sensor that is well', async () => {
  await opened()
  expect(await ask('/healthz')).toMatchObject({ code: 200, body: 'alive\n' })
  expect(await ask('/readyz?x=1')).toMatchObject({ code: 200, body: 'ready\n' })
  expect(await ask('/metrics')).toEqual({
    code: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: 'borescope_packets_total 7\n',
  })
  const { code, type, body } = await ask('/status')
  expect([code, type, JSON.parse(body)]).toEqual([200, 'application/json', { packets: 7 }])
})

test('one that is not says why', async () => {
  await opened({ stuck: () => 'the packet loop stands still', troubles: () => ['eth1 is down', 'store fails'] })
  expect(await ask('/healthz')).toMatchObject({ code: 503, body: 'the packet loop stands still\n' })
  expect(await ask('/readyz')).toMatchObject({ code: 503, body: 'eth1 is down\nstore fails\n' })
})

test('nothing can be changed, and nothing else is there', async () => {
  await opened()
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) expect((await ask('/status', { method })).code).toBe(405)
  expect(await ask('/metrics', { method: 'HEAD' })).toMatchObject({ code: 200, body: '' })
  expect((await ask('/')).code).toBe(404)
  expect((await ask('/../../etc/passwd')).code).toBe(404)
})

test('a name that leads here from elsewhere is not answered to, unless others may ask', async () => {
  await opened()
  for (const host of ['127.0.0.1', 'localhost:9477', '[::1]:9477'])
    expect((await ask('/status', { host })).code).toBe(200)
  expect((await ask('/status', { host: 'rebound.example:9477' })).code).toBe(421)
  await endpoints.close()
  await opened({ anyName: true })
  expect((await ask('/status', { host: 'sensor.example:9477' })).code).toBe(200)
})

test('what fails inside is told, and the next question is answered', async () => {
  await opened({ metrics: () => Promise.reject(new Error('no registry')) })
  expect(await ask('/metrics')).toMatchObject({ code: 500, body: 'no registry\n' })
  expect((await ask('/healthz')).code).toBe(200)
})

test('a port that is taken is an error of the one who asks for it', async () => {
  await opened()
  await expect(
    Endpoints.open({
      host: '127.0.0.1',
      port: endpoints.port,
      anyName: false,
      stuck: () => null,
      troubles: () => [],
      status: () => ({}),
      metrics: async () => '',
    }),
  ).rejects.toThrow('EADDRINUSE')
})

test('anything but a loopback must be allowed in words', async () => {
  await opened()
  const host =
    (name: string, more = {}) =>
    () =>
      loadConfig(undefined, { BORESCOPE_SERVICE__HOST: name, ...more })
  for (const name of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) expect(host(name)).not.toThrow()
  for (const name of ['0.0.0.0', '::', '192.0.2.1', 'sensor.example', '127.0.0.1.example'])
    expect(host(name), name).toThrow(/BORESCOPE_SERVICE__HOST.*expected a loopback/)
  expect(host('0.0.0.0', { BORESCOPE_SERVICE__ALLOW_REMOTE: 'true' })).not.toThrow()
})
