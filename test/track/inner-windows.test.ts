/** Real conversations of Windows' protocols inside an L2TP session, and what the sensor tells of them. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { eventsOfFile, named } from '../support/sensor.ts'
import { told } from './recorded.ts'

const NAMES = ['smb2-files', 'smb2-services', 'smb1', 'smb3-encrypted', 'rpc-tcp', 'kerberos', 'ldap'] as const
const CAPTURES = new Map<string, readonly EventDocument[]>()

beforeAll(async () => {
  for (const name of NAMES) CAPTURES.set(name, await told(name))
})

function events(capture: (typeof NAMES)[number], name: EventName): readonly EventDocument[] {
  return named(CAPTURES.get(capture) ?? [], name)
}

function column(list: readonly EventDocument[], ...fields: readonly string[]): unknown[] {
  return list.map((event) =>
    fields.map((field) => (event as unknown as Record<string, unknown>)[field] ?? '').join(' '),
  )
}

describe('files over SMB 2', () => {
  test('logins succeed and fail, each under its name', () => {
    expect(column(events('smb2-files', 'smb.session.opened'), 'user.effective.name', 'smb.version')).toEqual([
      'alice 2.1',
      'Administrator 2.1',
      ' 2.1',
      ' NT LANMAN 1.0',
      'alice 2.1',
    ])
    expect(column(events('smb2-files', 'smb.session.refused'), 'user.effective.name', 'error.code')).toContain(
      'alice LOGON_FAILURE',
    )
    expect(
      column(events('smb2-files', 'ntlm.failed'), 'user.effective.domain', 'ntlm.version', 'error.code'),
    ).toContain('CORP NTLMv2 LOGON_FAILURE')
    expect(events('smb2-files', 'ntlm.authenticated')[0]).toMatchObject({
      'ntlm.server.name': 'dc1.corp.example',
      'ntlm.server.domain': 'corp.example',
      'network.protocol': 'smb',
    })
  })

  test('shares are connected or refused', () => {
    expect(column(events('smb2-files', 'smb.tree.connected'), 'smb.share.name', 'event.outcome', 'error.code')).toEqual(
      [
        'IPC$ success ',
        'SHARE success ',
        'IPC$ success ',
        'ADMIN$ success ',
        'IPC$ success ',
        'IPC$ success ',
        'IPC$ success ',
        'NOSUCH failure BAD_NETWORK_NAME',
      ],
    )
  })

  test('files are read, written, renamed and deleted', () => {
    expect(
      column(events('smb2-files', 'smb.file.closed'), 'file.path', 'smb.file.bytes_read', 'smb.file.bytes_written'),
    ).toEqual([
      '\\\\10.9.0.10\\share\\budget.xlsx 9000 0',
      '\\\\10.9.0.10\\share\\tools.exe 0 21',
      '\\\\10.9.0.10\\ADMIN$\\PSEXESVC.exe 0 21',
    ])
    expect(column(events('smb2-files', 'smb.file.renamed'), 'file.name', 'smb.file.new_path')).toEqual([
      'tools.exe \\\\10.9.0.10\\share\\t2.exe',
    ])
    expect(column(events('smb2-files', 'smb.file.deleted'), 'file.name')).toEqual(['t2.exe', 'd'])
  })

  test('a program that is put into the folder of the system is told with who put it there', () => {
    const opened = events('smb2-files', 'smb.file.opened').find((event) => event['smb.share.name'] === 'ADMIN$')
    expect(opened).toMatchObject({
      'file.name': 'PSEXESVC.exe',
      'file.extension': 'exe',
      'smb.file.action': 'overwritten',
      'user.effective.name': 'Administrator',
      'event.outcome': 'success',
    })
    expect(opened?.['smb.file.access']).toContain('write data')
  })

  test('every event leads to its flow, session and tunnel', () => {
    for (const event of events('smb2-files', 'smb.file.opened')) {
      expect(event['borescope.lineage']?.length).toBe(3)
      expect(event['flow.uid']).toMatch(/^f-/)
      expect(event['l2tp.session.uid']).toMatch(/^s-/)
      expect(event['source.ip']).toBe('10.9.0.20')
      expect(event['destination.port']).toBe(445)
    }
  })
})

describe('services over the pipes of SMB 2', () => {
  test('operations are named, with who called them and how it went', () => {
    const called = column(
      events('smb2-services', 'dcerpc.called'),
      'smb.pipe',
      'dcerpc.operation.name',
      'user.effective.name',
      'event.outcome',
    )
    for (const expected of [
      'svcctl ROpenSCManagerW Administrator success',
      'svcctl RStartServiceW Administrator success',
      'svcctl RCreateServiceW Administrator failure',
      'winreg BaseRegOpenKey Administrator success',
      'srvsvc NetrShareEnum Administrator success',
      'srvsvc NetrSessionEnum Administrator success',
      'samr SamrEnumerateUsersInDomain Administrator success',
      'samr SamrCreateUser2InDomain Administrator success',
      'lsarpc DsRolerGetPrimaryDomainInformation Administrator success',
    ])
      expect(called).toContain(expected)
  })

  test('nothing in them breaks a rule', () => {
    for (const name of NAMES) expect(column(events(name, 'protocol.anomaly'), 'message'), name).toEqual([])
  })
})

describe('SMB 1', () => {
  test('logins betray their version, with and without extended security', () => {
    expect(column(events('smb1', 'ntlm.authenticated'), 'user.effective.name', 'ntlm.version')).toEqual([
      'alice NTLMv2',
      'alice NTLMv1',
      'alice NTLMv1 with extended session security',
      'alice NTLMv2',
      'alice NTLMv2',
    ])
  })

  test('files and pipes are told as in later versions', () => {
    expect(
      column(events('smb1', 'smb.file.closed'), 'file.name', 'smb.file.bytes_read', 'smb.file.bytes_written'),
    ).toEqual(['budget.xlsx 9000 0', 'a.exe 0 21'])
    expect(column(events('smb1', 'smb.file.deleted'), 'file.name')).toEqual(['a.exe'])
    expect(column(events('smb1', 'dcerpc.called'), 'dcerpc.operation.name')).toContain('SamrEnumerateUsersInDomain')
  })

  test('is read on the port of NetBIOS too', () => {
    expect(column(events('smb1', 'smb.tree.connected'), 'destination.port', 'smb.share.path')).toContain(
      '139 \\\\DC1\\SHARE',
    )
  })
})

test('what SMB 3 encrypts is said to be encrypted, once, and by whom', () => {
  expect(column(events('smb3-encrypted', 'smb.session.encrypted'), 'user.effective.name', 'smb.version')).toEqual([
    'alice 3.1.1',
  ])
  expect(events('smb3-encrypted', 'smb.tree.connected')).toEqual([])
})

describe('DCE/RPC on TCP', () => {
  test('a replication of secrets is told though it is sealed', () => {
    const replication = events('rpc-tcp', 'dcerpc.called').find(
      (event) => event['dcerpc.operation.name'] === 'DRSGetNCChanges',
    )
    expect(replication).toMatchObject({
      'dcerpc.interface.name': 'drsuapi',
      'dcerpc.operation.number': 3,
      'dcerpc.authentication.level': 'packet privacy',
      'user.effective.name': 'Administrator',
      'event.outcome': 'success',
      'destination.port': 49153,
    })
  })

  test('the endpoint mapper tells where interfaces are', () => {
    expect(
      column(events('rpc-tcp', 'dcerpc.endpoint.mapped'), 'dcerpc.interface.name', 'dcerpc.endpoint.port'),
    ).toEqual(['drsuapi 49153', 'samr 49154', 'samr 49154', 'samr 49154', 'lsarpc 49153'])
  })

  test('the first call shows how a login went', () => {
    expect(column(events('rpc-tcp', 'ntlm.failed'), 'user.effective.name', 'error.code', 'network.protocol')).toEqual([
      'alice ERROR_ACCESS_DENIED dcerpc',
    ])
  })
})

describe('Kerberos', () => {
  test('tickets are issued and refused, with the reason', () => {
    const issued = column(events('kerberos', 'kerberos.ticket.issued'), 'user.effective.name', 'kerberos.service')
    expect(issued).toContain('alice krbtgt/CORP.EXAMPLE')
    expect(issued).toContain('alice cifs/dc1.corp.example')
    expect(issued).toContain('alice kadmin/changepw')
    const refused = column(events('kerberos', 'kerberos.ticket.refused'), 'user.effective.name', 'error.code')
    expect(refused).toContain('alice KDC_ERR_PREAUTH_FAILED')
    expect(refused).toContain('nobody KDC_ERR_C_PRINCIPAL_UNKNOWN')
    expect(refused).toContain('bob KDC_ERR_PREAUTH_REQUIRED')
  })

  test('who asks for another, and who offers only RC4, stands out', () => {
    const refused = events('kerberos', 'kerberos.ticket.refused')
    expect(refused.some((event) => event['kerberos.impersonated'] === 'Administrator')).toBe(true)
    expect(refused.some((event) => event['kerberos.etypes']?.join() === 'rc4-hmac')).toBe(true)
  })

  test('a login with a ticket names the service', () => {
    expect(events('kerberos', 'smb.session.opened')[0]).toMatchObject({
      'authentication.mechanism': 'Kerberos',
      'kerberos.service': 'cifs/dc1.corp.example',
    })
  })
})

describe('LDAP', () => {
  test('binds tell who, how, and why not', () => {
    expect(column(events('ldap', 'ldap.bound'), 'ldap.bind.method', 'user.effective.name')).toContain(
      'simple alice@corp.example',
    )
    expect(
      column(events('ldap', 'ldap.bound'), 'ldap.bind.method', 'ldap.bind.mechanism', 'user.effective.name'),
    ).toContain('SASL GSS-SPNEGO alice')
    expect(events('ldap', 'ldap.bind.refused')[0]).toMatchObject({
      'error.code': 'invalidCredentials',
      'ldap.bind.name': 'alice@corp.example',
    })
  })

  test('searches tell what is looked for and how much is found', () => {
    expect(events('ldap', 'ldap.searched')[0]).toMatchObject({
      'ldap.base': 'CN=Users,DC=corp,DC=example',
      'ldap.scope': 'wholeSubtree',
      'ldap.entries': 2,
      'ldap.result': 'success',
      'user.effective.name': 'alice@corp.example',
    })
    expect(events('ldap', 'ldap.searched').filter((event) => event['network.protocol'] === 'cldap')).toHaveLength(2)
  })

  test('changes tell what changes', () => {
    expect(column(events('ldap', 'ldap.changed'), 'ldap.operation', 'ldap.object', 'ldap.result')).toEqual([
      'modify cn=alice,cn=users,dc=corp,dc=example attributeOrValueExists',
      'add cn=pc9,cn=computers,dc=corp,dc=example success',
      'rename cn=pc9,cn=computers,dc=corp,dc=example success',
      'delete cn=pc10,cn=computers,dc=corp,dc=example success',
    ])
    expect(events('ldap', 'ldap.changed')[1]['ldap.values']).toContain('objectClass=computer')
  })

  test('after StartTLS it is TLS', () => {
    expect(CAPTURES.get('ldap')?.some((event) => String(event['event.action']).startsWith('tls.'))).toBe(true)
  })
})

const LAB = join(import.meta.dirname, '../../../shared/captures/lab/l2tp-inner.pcap')
if (!existsSync(LAB)) process.stderr.write(`\n*** There is no ${LAB}: SMB in a recorded tunnel is not tested.\n\n`)

test.skipIf(!existsSync(LAB))(
  'in a recorded tunnel the user of the tunnel and the user of the server are told apart',
  async () => {
    const all = await eventsOfFile(LAB)
    const [read] = named(all, 'smb.file.closed')
    expect(read).toMatchObject({
      'user.name': 'alice',
      'user.effective.name': 'dave',
      'file.path': '\\\\10.20.0.5\\share\\budget.xlsx',
      'smb.file.bytes_read': 300_000,
    })
  },
)

test('no password of the recording is in any event', () => {
  const all = JSON.stringify([...CAPTURES.values()])
  for (const password of ['Alice-Pw', 'Passw0rd', 'SqlSvc-Pw', 'Bob-Pw', 'wrongpw']) expect(all).not.toContain(password)
})
