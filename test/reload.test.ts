import { expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { keysForRestart } from '../src/reload.ts'

const { config } = loadConfig(undefined, {})

function changed(environment: Record<string, string>): string[] {
  return keysForRestart(config, loadConfig(undefined, environment).config)
}

test('nothing waits for a restart if nothing changed, or only what is read again', () => {
  expect(changed({})).toEqual([])
  expect(
    changed({
      BORESCOPE_DETECT__RULES: '/etc/rules',
      BORESCOPE_ENRICH__ASSETS: 'assets.csv',
      BORESCOPE_INTEL__PATH: '/other',
      BORESCOPE_SECRETS__ESP_KEYS: 'keys',
      BORESCOPE_SERVICE__LOG_LEVEL: 'debug',
    }),
  ).toEqual([])
})

test('what cannot change while it runs is named by its keys, however deep', () => {
  expect(
    changed({
      BORESCOPE_STORE__PATH: '/other.db',
      BORESCOPE_CAPTURE__LIVE__SNAP_LENGTH: '128',
      BORESCOPE_CAPTURE__L2TP_PORTS: '1701,1702',
      BORESCOPE_DETECT__GROUPS_MAX: '5',
    }).sort(),
  ).toEqual(['capture.l2tpPorts', 'capture.live.snapLength', 'detect.groupsMax', 'store.path'])
})

test('of a secret the key is named and nothing else', () => {
  const secret = { ...config, secrets: { ...config.secrets, l2tp: ['hunter2'] } }
  expect(keysForRestart(config, secret)).toEqual(['secrets.l2tp'])
})
