import { expect, test } from 'vitest'
import { PppSecrets } from '../../src/track/ppp-secrets.ts'
import { credentialOfPassword, ntPasswordHash } from '../../src/wire/ms-chap-proof.ts'

const HASH = Buffer.from(ntPasswordHash('MyPw')).toString('hex')

test('a user is known by password or by hash, in any case, with a domain before the name or without', () => {
  const secrets = new PppSecrets([
    { user: 'Alice', password: 'MyPw' },
    { user: 'CORP\\bob', ntHash: HASH.toUpperCase() },
  ])
  expect(secrets.of('alice')).toEqual([credentialOfPassword('MyPw')])
  expect(secrets.of('OTHER\\ALICE')).toEqual([credentialOfPassword('MyPw')])
  expect(secrets.of('corp\\Bob').map(({ ntHash }) => Buffer.from(ntHash).toString('hex'))).toEqual([HASH])
  expect(secrets.of('bob')).toEqual([])
  expect(secrets.of('')).toEqual([])
})

test('a user may have several', () => {
  const secrets = new PppSecrets([
    { user: 'alice', password: 'old' },
    { user: 'alice', password: 'new' },
  ])
  expect(secrets.of('alice')).toHaveLength(2)
})
