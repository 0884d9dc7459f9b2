/** Stories for the rules in `rules/inner/`: see `cases.ts`. */
import {
  CLIENT,
  flow,
  inner,
  INNER,
  many,
  manyFlows,
  manyInner,
  seen,
  SERVER,
  TARGET,
  type RuleCase,
} from './stories.ts'

export const INNER_CASES: Readonly<Record<string, RuleCase>> = {
  'Administrative share opened from a VPN session': {
    fires: () => [
      inner('smb.tree.connected', 0, {
        'event.outcome': 'success',
        'smb.share.name': 'ADMIN$',
        'user.effective.name': 'carol',
      }),
      inner('smb.tree.connected', 1, {
        'event.outcome': 'success',
        'smb.share.name': 'C$',
        'user.effective.name': 'carol',
      }),
    ],
    entity: `${INNER}, ${TARGET}, carol`,
    misses: {
      refused: () => [inner('smb.tree.connected', 0, { 'event.outcome': 'failure', 'smb.share.name': 'ADMIN$' })],
      'another share': () => [
        inner('smb.tree.connected', 0, { 'event.outcome': 'success', 'smb.share.name': 'PUBLIC' }),
      ],
    },
  },
  'Administrative shares of many servers asked for from one VPN session': {
    fires: () =>
      manyInner('smb.tree.connected', 8, 20, (index) => ({
        'destination.ip': `10.20.0.${index + 1}`,
        'smb.share.name': 'ADMIN$',
      })),
    entity: `s-1, ${INNER}`,
    misses: {
      'four servers': () =>
        manyInner('smb.tree.connected', 12, 20, (index) => ({
          'destination.ip': `10.20.0.${index % 4}`,
          'smb.share.name': 'ADMIN$',
        })),
      'other shares': () =>
        manyInner('smb.tree.connected', 8, 20, (index) => ({
          'destination.ip': `10.20.0.${index + 1}`,
          'smb.share.name': 'IPC$',
        })),
    },
  },
  'Program written to a server from a VPN session': {
    fires: () => [
      inner('smb.file.closed', 0, { 'smb.file.bytes_written': 70_000, 'file.extension': 'exe' }),
      inner('smb.file.closed', 9, { 'smb.file.bytes_written': 70, 'file.extension': 'bat' }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'read only': () => [
        inner('smb.file.closed', 0, {
          'smb.file.bytes_written': 0,
          'smb.file.bytes_read': 70_000,
          'file.extension': 'exe',
        }),
      ],
      'a document': () => [inner('smb.file.closed', 0, { 'smb.file.bytes_written': 70_000, 'file.extension': 'docx' })],
    },
  },
  'Copy of a credential store taken over SMB': {
    fires: () => [inner('smb.file.closed', 0, { 'smb.file.bytes_read': 50_000_000, 'file.name': 'ntds.dit' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'opened and not read': () => [inner('smb.file.closed', 0, { 'smb.file.bytes_read': 0, 'file.name': 'ntds.dit' })],
      'another file': () => [inner('smb.file.closed', 0, { 'smb.file.bytes_read': 500, 'file.name': 'system.log' })],
    },
  },
  'Named pipe of an attack tool': {
    fires: () => [inner('smb.pipe.opened', 0, { 'event.outcome': 'success', 'smb.pipe': 'PSEXESVC-HOST-1234-stdin' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a pipe of Windows': () => [inner('smb.pipe.opened', 0, { 'event.outcome': 'success', 'smb.pipe': 'svcctl' })],
      refused: () => [inner('smb.pipe.opened', 0, { 'event.outcome': 'failure', 'smb.pipe': 'PSEXESVC' })],
    },
  },
  'Service created on a server from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'svcctl',
        'dcerpc.operation.name': 'RCreateServiceW',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      refused: () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'failure',
          'dcerpc.interface.name': 'svcctl',
          'dcerpc.operation.name': 'RCreateServiceW',
        }),
      ],
      'asking only': () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'svcctl',
          'dcerpc.operation.name': 'RQueryServiceStatus',
        }),
      ],
    },
  },
  'WMI login from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'IWbemLevel1Login',
        'dcerpc.operation.name': 'NTLMLogin',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      refused: () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'failure',
          'dcerpc.interface.name': 'IWbemLevel1Login',
          'dcerpc.operation.name': 'NTLMLogin',
        }),
      ],
    },
  },
  'Method run over WMI from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'IWbemServices',
        'dcerpc.operation.name': 'ExecMethod',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a query': () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'IWbemServices',
          'dcerpc.operation.name': 'ExecQuery',
        }),
      ],
    },
  },
  'Object created over DCOM from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'IRemoteSCMActivator',
        'dcerpc.operation.name': 'RemoteCreateInstance',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a ping': () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'IObjectExporter',
          'dcerpc.operation.name': 'ServerAlive2',
        }),
      ],
    },
  },
  'Scheduled task set on a server from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'ITaskSchedulerService',
        'dcerpc.operation.name': 'SchRpcRegisterTask',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a list of tasks': () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'ITaskSchedulerService',
          'dcerpc.operation.name': 'SchRpcEnumTasks',
        }),
      ],
    },
  },
  'Registry of a server changed from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'winreg',
        'dcerpc.operation.name': 'BaseRegSetValue',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      reading: () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'winreg',
          'dcerpc.operation.name': 'BaseRegQueryValue',
        }),
      ],
    },
  },
  'Registry hive of a server saved from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'winreg',
        'dcerpc.operation.name': 'BaseRegSaveKey',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      writing: () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'winreg',
          'dcerpc.operation.name': 'BaseRegSetValue',
        }),
      ],
    },
  },
  'Directory replicated into a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'drsuapi',
        'dcerpc.operation.name': 'DRSGetNCChanges',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a look-up of names': () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'drsuapi',
          'dcerpc.operation.name': 'DRSCrackNames',
        }),
      ],
    },
  },
  'Netlogon authentication tried over and over (Zerologon)': {
    fires: () =>
      manyInner('dcerpc.called', 30, 1, () => ({
        'dcerpc.interface.name': 'netlogon',
        'dcerpc.operation.name': 'NetrServerAuthenticate3',
      })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      'nineteen times': () =>
        manyInner('dcerpc.called', 19, 1, () => ({
          'dcerpc.interface.name': 'netlogon',
          'dcerpc.operation.name': 'NetrServerAuthenticate3',
        })),
    },
  },
  'Server made to log in somewhere (coercion)': {
    fires: () => [
      inner('dcerpc.called', 0, { 'dcerpc.interface.name': 'efsrpc', 'dcerpc.operation.name': 'EfsRpcOpenFileRaw' }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'opening a printer': () => [
        inner('dcerpc.called', 0, { 'dcerpc.interface.name': 'spoolss', 'dcerpc.operation.name': 'RpcOpenPrinterEx' }),
      ],
    },
  },
  'Printer driver installed from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'spoolss',
        'dcerpc.operation.name': 'RpcAddPrinterDriverEx',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a list of drivers': () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'spoolss',
          'dcerpc.operation.name': 'RpcEnumPrinterDrivers',
        }),
      ],
    },
  },
  'Event log of a server cleared from a VPN session': {
    fires: () => [inner('dcerpc.called', 0, { 'event.outcome': 'success', 'dcerpc.operation.name': 'EvtRpcClearLog' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'reading a log': () => [
        inner('dcerpc.called', 0, { 'event.outcome': 'success', 'dcerpc.operation.name': 'EvtRpcRegisterLogQuery' }),
      ],
    },
  },
  'Survey of Windows hosts from one VPN session': {
    fires: () =>
      manyInner('dcerpc.called', 15, 5, (index) => ({
        'destination.ip': `10.20.0.${index + 1}`,
        'dcerpc.interface.name': 'srvsvc',
        'dcerpc.operation.name': 'NetrSessionEnum',
      })),
    entity: `s-1, ${INNER}`,
    misses: {
      'nine hosts': () =>
        manyInner('dcerpc.called', 36, 2, (index) => ({
          'destination.ip': `10.20.0.${index % 9}`,
          'dcerpc.interface.name': 'srvsvc',
          'dcerpc.operation.name': 'NetrShareEnum',
        })),
    },
  },
  'Account or group changed on a Windows host from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'samr',
        'dcerpc.operation.name': 'SamrAddMemberToAlias',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a look-up': () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'success',
          'dcerpc.interface.name': 'samr',
          'dcerpc.operation.name': 'SamrLookupNamesInDomain',
        }),
      ],
    },
  },
  'SMB session as a guest': {
    fires: () => [inner('smb.session.opened', 0, { 'smb.guest': true })],
    entity: TARGET,
    misses: {
      'with a user': () => [inner('smb.session.opened', 0, { 'smb.guest': false })],
    },
  },
  'SMB version 1 between two hosts': {
    fires: () => [inner('smb.negotiated', 0, { 'smb.version': 'NT LM 0.12' })],
    entity: TARGET,
    misses: {
      'version 3': () => [inner('smb.negotiated', 0, { 'smb.version': '3.1.1' })],
    },
  },
  'Files on a share renamed one after the other': {
    fires: () => manyInner('smb.file.renamed', 130, 0.5, () => ({ 'event.outcome': 'success' })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      'one in ten seconds': () => manyInner('smb.file.renamed', 130, 10, () => ({ 'event.outcome': 'success' })),
    },
  },
  'Files on a share deleted one after the other': {
    fires: () => manyInner('smb.file.deleted', 240, 0.3, () => ({ 'event.outcome': 'success' })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      'a hundred': () => manyInner('smb.file.deleted', 100, 0.3, () => ({ 'event.outcome': 'success' })),
    },
  },
  'One account logs in to many hosts with NTLM': {
    fires: () =>
      manyInner('ntlm.authenticated', 12, 20, (index) => ({
        'destination.ip': `10.20.0.${index + 1}`,
        'user.effective.name': 'carol',
      })),
    entity: `s-1, ${INNER}, carol`,
    misses: {
      'seven hosts': () =>
        manyInner('ntlm.authenticated', 28, 10, (index) => ({
          'destination.ip': `10.20.0.${index % 7}`,
          'user.effective.name': 'carol',
        })),
      'each by another': () =>
        manyInner('ntlm.authenticated', 12, 20, (index) => ({
          'destination.ip': `10.20.0.${index + 1}`,
          'user.effective.name': `user${index}`,
        })),
    },
  },
  'Windows passwords sprayed from a VPN session': {
    fires: () => manyInner('ntlm.failed', 15, 30, (index) => ({ 'user.effective.name': `user${index}` })),
    entity: `s-1, ${INNER}`,
    misses: {
      'nine accounts': () =>
        manyInner('ntlm.failed', 45, 30, (index) => ({ 'user.effective.name': `user${index % 9}` })),
    },
  },
  'Windows password guessed from a VPN session': {
    fires: () => manyInner('ntlm.failed', 15, 10, () => ({ 'user.effective.name': 'carol' })),
    entity: `s-1, ${INNER}, carol`,
    misses: {
      'nine times': () => manyInner('ntlm.failed', 9, 10, () => ({ 'user.effective.name': 'carol' })),
      'ten accounts': () => manyInner('ntlm.failed', 15, 10, (index) => ({ 'user.effective.name': `user${index}` })),
    },
  },
  'Login with NTLM version 1': {
    fires: () => [inner('ntlm.authenticated', 0, { 'ntlm.version': 'NTLMv1', 'user.effective.name': 'carol' })],
    entity: `${TARGET}, carol`,
    misses: {
      'version 2': () => [inner('ntlm.authenticated', 0, { 'ntlm.version': 'NTLMv2', 'user.effective.name': 'carol' })],
    },
  },
  'Tickets of many services collected (Kerberoasting)': {
    fires: () =>
      manyInner('kerberos.ticket.issued', 8, 5, (index) => ({
        'kerberos.request': 'TGS',
        'kerberos.ticket.weak': true,
        'kerberos.service': `MSSQLSvc/db${index}`,
      })),
    entity: `s-1, ${INNER}`,
    misses: {
      'four services': () =>
        manyInner('kerberos.ticket.issued', 12, 5, (index) => ({
          'kerberos.request': 'TGS',
          'kerberos.ticket.weak': true,
          'kerberos.service': `http/web${index % 4}`,
        })),
      'strong keys': () =>
        manyInner('kerberos.ticket.issued', 8, 5, (index) => ({
          'kerberos.request': 'TGS',
          'kerberos.ticket.weak': false,
          'kerberos.service': `http/web${index}`,
        })),
    },
  },
  'Kerberos ticket without proof of the password': {
    fires: () => [
      inner('kerberos.ticket.issued', 0, {
        'kerberos.request': 'AS',
        'kerberos.preauthenticated': false,
        'user.effective.name': 'svc-old',
      }),
    ],
    entity: `${INNER}, svc-old`,
    misses: {
      'with proof': () => [
        inner('kerberos.ticket.issued', 0, {
          'kerberos.request': 'AS',
          'kerberos.preauthenticated': true,
          'user.effective.name': 'carol',
        }),
      ],
    },
  },
  'User names enumerated over Kerberos': {
    fires: () =>
      manyInner('kerberos.ticket.refused', 15, 5, (index) => ({
        'error.code': 'KDC_ERR_C_PRINCIPAL_UNKNOWN',
        'user.effective.name': `user${index}`,
      })),
    entity: `s-1, ${INNER}`,
    misses: {
      'nine names': () =>
        manyInner('kerberos.ticket.refused', 30, 5, (index) => ({
          'error.code': 'KDC_ERR_C_PRINCIPAL_UNKNOWN',
          'user.effective.name': `user${index % 9}`,
        })),
    },
  },
  'Kerberos passwords sprayed from a VPN session': {
    fires: () =>
      manyInner('kerberos.ticket.refused', 15, 30, (index) => ({
        'error.code': 'KDC_ERR_PREAUTH_FAILED',
        'user.effective.name': `user${index}`,
      })),
    entity: `s-1, ${INNER}`,
    misses: {
      'preauthentication asked for': () =>
        manyInner('kerberos.ticket.refused', 15, 30, (index) => ({
          'error.code': 'KDC_ERR_PREAUTH_REQUIRED',
          'user.effective.name': `user${index}`,
        })),
    },
  },
  'Kerberos ticket in the name of another user': {
    fires: () => [
      inner('kerberos.ticket.issued', 0, { 'user.effective.name': 'web$', 'kerberos.impersonated': 'administrator' }),
    ],
    entity: `${INNER}, web$`,
    misses: {
      "a ticket of one's own": () => [
        inner('kerberos.ticket.issued', 0, { 'user.effective.name': 'carol', 'kerberos.delegated': false }),
      ],
    },
  },
  'Directory entry changed in the way of an attack': {
    fires: () => [
      inner('ldap.changed', 0, {
        'event.outcome': 'success',
        'ldap.object': 'CN=dc01',
        'ldap.attributes': ['msDS-KeyCredentialLink'],
      }),
    ],
    entity: `${INNER}, ${TARGET}, CN=dc01`,
    misses: {
      'a telephone number': () => [
        inner('ldap.changed', 0, {
          'event.outcome': 'success',
          'ldap.object': 'CN=carol',
          'ldap.attributes': ['telephoneNumber'],
        }),
      ],
      refused: () => [
        inner('ldap.changed', 0, {
          'event.outcome': 'failure',
          'ldap.object': 'CN=dc01',
          'ldap.attributes': ['msDS-KeyCredentialLink'],
        }),
      ],
    },
  },
  'Directory read in bulk from a VPN session': {
    fires: () => [inner('ldap.searched', 0, { 'ldap.entries': 4200 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a page': () => [inner('ldap.searched', 0, { 'ldap.entries': 999 })],
    },
  },
  'Directory searched for accounts that can be cracked': {
    fires: () => [inner('ldap.searched', 0, { 'ldap.filter': '(&(objectClass=user)(servicePrincipalName=*))' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'one service': () => [inner('ldap.searched', 0, { 'ldap.filter': '(servicePrincipalName=http/web1)' })],
    },
  },
  'Directory password in clear': {
    fires: () => [inner('ldap.bound', 0, { 'ldap.bind.method': 'simple' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'by SASL': () => [inner('ldap.bound', 0, { 'ldap.bind.method': 'SASL' })],
    },
  },
  'Directory passwords guessed from a VPN session': {
    fires: () => manyInner('ldap.bind.refused', 30, 10),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      nineteen: () => manyInner('ldap.bind.refused', 19, 10),
    },
  },
  'Certificate asked of an authority from a VPN session': {
    fires: () => [
      inner('dcerpc.called', 0, {
        'event.outcome': 'success',
        'dcerpc.interface.name': 'ICertPassage',
        'dcerpc.operation.name': 'CertServerRequest',
      }),
    ],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      refused: () => [
        inner('dcerpc.called', 0, {
          'event.outcome': 'failure',
          'dcerpc.interface.name': 'ICertPassage',
          'dcerpc.operation.name': 'CertServerRequest',
        }),
      ],
    },
  },
  'Remote Desktop logins tried over and over from a VPN session': {
    fires: () => manyInner('rdp.requested', 15, 10),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      nine: () => manyInner('rdp.requested', 9, 10),
    },
  },
  'Remote Desktop tried on many hosts from a VPN session': {
    fires: () => manyInner('rdp.requested', 12, 20, (index) => ({ 'destination.ip': `10.20.0.${index + 1}` })),
    entity: `s-1, ${INNER}`,
    misses: {
      'seven hosts': () =>
        manyInner('rdp.requested', 14, 40, (index) => ({ 'destination.ip': `10.20.0.${index % 7}` })),
    },
  },
  'Remote Desktop without TLS': {
    fires: () => [inner('rdp.requested', 0, { 'rdp.selected_protocol': 'RDP' })],
    entity: TARGET,
    misses: {
      'with CredSSP': () => [inner('rdp.requested', 0, { 'rdp.selected_protocol': 'CredSSP' })],
    },
  },
  'Windows Remote Management from a VPN session': {
    fires: () => [inner('winrm.requested', 0, { 'http.response.status_code': 200 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      refused: () => [inner('winrm.requested', 0, { 'http.response.status_code': 401 })],
    },
  },
  'SSH passwords guessed from a VPN session': {
    fires: () => manyInner('ssh.authentication.inferred', 12, 15, () => ({ 'event.outcome': 'failure' })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      seven: () => manyInner('ssh.authentication.inferred', 7, 15, () => ({ 'event.outcome': 'failure' })),
    },
  },
  'SSH login succeeded after guessing from a VPN session': {
    fires: () => [
      ...manyInner('ssh.authentication.inferred', 6, 15, () => ({ 'event.outcome': 'failure' })),
      inner('ssh.authentication.inferred', 120, { 'event.outcome': 'success' }),
    ],
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      'three failures': () => [
        ...manyInner('ssh.authentication.inferred', 3, 15, () => ({ 'event.outcome': 'failure' })),
        inner('ssh.authentication.inferred', 120, { 'event.outcome': 'success' }),
      ],
    },
  },
  'Remote support tool inside a session': {
    fires: () => [inner('tls.established', 0, { 'tls.client.server_name': 'relay-1.net.anydesk.com' })],
    entity: INNER,
    misses: {
      'another server': () => [inner('tls.established', 0, { 'tls.client.server_name': 'www.example.com' })],
    },
  },
  'VNC from a VPN session': {
    fires: () => [flow(0, { 'destination.port': 5900, 'flow.tcp.state': 'closed' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      refused: () => [flow(0, { 'destination.port': 5900, 'flow.tcp.state': 'refused' })],
    },
  },
  'Tunnel in DNS names from a VPN session': {
    fires: () =>
      manyInner('dns.answered', 130, 2, (index) => ({
        'dns.question.registered_domain': 'evil.example',
        'dns.question.name': `${'a'.repeat(40)}${index}.evil.example`,
        'dns.question.subdomain_length': 43,
      })),
    entity: `s-1, ${INNER}, evil.example`,
    misses: {
      'ninety names': () =>
        manyInner('dns.answered', 270, 1, (index) => ({
          'dns.question.registered_domain': 'evil.example',
          'dns.question.name': `${'a'.repeat(40)}${index % 90}.evil.example`,
          'dns.question.subdomain_length': 43,
        })),
      'short names': () =>
        manyInner('dns.answered', 130, 2, (index) => ({
          'dns.question.registered_domain': 'cdn.example',
          'dns.question.name': `a${index}.cdn.example`,
          'dns.question.subdomain_length': 4,
        })),
    },
  },
  'Many TXT or NULL questions below one domain from a VPN session': {
    fires: () =>
      manyInner('dns.answered', 240, 2, () => ({
        'dns.question.registered_domain': 'evil.example',
        'dns.question.type': 'TXT',
      })),
    entity: `s-1, ${INNER}, evil.example`,
    misses: {
      'a hundred': () =>
        manyInner('dns.answered', 100, 2, () => ({
          'dns.question.registered_domain': 'evil.example',
          'dns.question.type': 'TXT',
        })),
      addresses: () =>
        manyInner('dns.answered', 240, 2, () => ({
          'dns.question.registered_domain': 'cdn.example',
          'dns.question.type': 'A',
        })),
    },
  },
  'Names made by an algorithm looked for from a VPN session': {
    fires: () =>
      manyInner('dns.answered', 40, 5, (index) => ({
        'dns.response_code': 'NXDOMAIN',
        'dns.question.registered_domain': `qx${index}z.example`,
      })),
    entity: `s-1, ${INNER}`,
    misses: {
      'one domain': () =>
        manyInner('dns.answered', 90, 5, () => ({
          'dns.response_code': 'NXDOMAIN',
          'dns.question.registered_domain': 'corp.example',
        })),
    },
  },
  'Encrypted DNS from a VPN session': {
    fires: () => [inner('tls.established', 0, { 'tls.client.server_name': 'dns.google' })],
    entity: INNER,
    misses: {
      'another server': () => [inner('tls.established', 0, { 'tls.client.server_name': 'www.google.com' })],
    },
  },
  'Tunnel in ICMP from a VPN session': {
    fires: () => [inner('icmp.echo.observed', 0, { 'icmp.echo.patternless': 120 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a few': () => [inner('icmp.echo.observed', 0, { 'icmp.echo.patternless': 8 })],
    },
  },
  'Echo replies that give back something else': {
    fires: () => [inner('icmp.echo.observed', 0, { 'icmp.echo.altered': 9 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      two: () => [inner('icmp.echo.observed', 0, { 'icmp.echo.altered': 2 })],
    },
  },
  'Another VPN inside the VPN session': {
    fires: () => [flow(0, { 'network.transport': 'udp', 'destination.port': 51820, 'destination.packets': 40 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      unanswered: () => [flow(0, { 'network.transport': 'udp', 'destination.port': 51820, 'destination.packets': 0 })],
      'a web page': () => [flow(0, { 'destination.port': 443, 'flow.tcp.state': 'closed' })],
    },
  },
  'Proxy asked for a connection from a VPN session': {
    fires: () => [inner('http.requested', 0, { 'http.request.method': 'CONNECT', 'http.response.status_code': 200 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      refused: () => [
        inner('http.requested', 0, { 'http.request.method': 'CONNECT', 'http.response.status_code': 403 }),
      ],
    },
  },
  'Program fetched over HTTP inside a session': {
    fires: () => [inner('http.requested', 0, { 'url.path': '/tools/nc.exe', 'http.response.status_code': 200 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'not found': () => [
        inner('http.requested', 0, { 'url.path': '/tools/nc.exe', 'http.response.status_code': 404 }),
      ],
      'a page': () => [inner('http.requested', 0, { 'url.path': '/index.html', 'http.response.status_code': 200 })],
    },
  },
  'Web password in clear': {
    fires: () => [inner('http.requested', 0, { 'http.authentication.scheme': 'Basic' })],
    entity: TARGET,
    misses: {
      Negotiate: () => [inner('http.requested', 0, { 'http.authentication.scheme': 'Negotiate' })],
    },
  },
  'Web request in the shape of an attack': {
    fires: () => [inner('http.requested', 0, { 'url.original': '/cgi-bin/../../etc/passwd' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a page': () => [inner('http.requested', 0, { 'url.original': '/docs/index.html' })],
    },
  },
  'Web passwords guessed from a VPN session': {
    fires: () =>
      manyInner('http.requested', 30, 5, () => ({
        'http.authentication.scheme': 'Basic',
        'http.response.status_code': 401,
      })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      nineteen: () =>
        manyInner('http.requested', 19, 5, () => ({
          'http.authentication.scheme': 'Basic',
          'http.response.status_code': 401,
        })),
    },
  },
  'Certificate of a command server': {
    fires: () => [inner('tls.established', 0, { 'tls.server.subject': 'CN=AsyncRAT Server' })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'an ordinary one': () => [
        inner('tls.established', 0, {
          'tls.server.subject': 'CN=www.example.com',
          'tls.server.x509.serial_number': '0a0b0c',
        }),
      ],
    },
  },
  'Old version of TLS inside a session': {
    fires: () => [inner('tls.established', 0, { 'tls.version': '1.0' })],
    entity: TARGET,
    misses: {
      'version 1.2': () => [inner('tls.established', 0, { 'tls.version': '1.2' })],
    },
  },
  'Login protocol without encryption inside a session': {
    fires: () => [flow(0, { 'destination.port': 23, 'flow.tcp.state': 'closed', 'destination.bytes': 4000 })],
    entity: `${TARGET}, 23`,
    misses: {
      refused: () => [flow(0, { 'destination.port': 23, 'flow.tcp.state': 'refused', 'destination.bytes': 40 })],
    },
  },
  'TFTP or SNMP writes from a VPN session': {
    fires: () => [flow(0, { 'network.transport': 'udp', 'destination.port': 161, 'destination.packets': 900 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'a single value': () => [
        flow(0, { 'network.transport': 'udp', 'destination.port': 161, 'destination.packets': 2 }),
      ],
    },
  },
  'Very long connection inside a session': {
    fires: () => [flow(0, { 'event.duration': 50_000_000_000_000, 'source.packets': 900, 'destination.packets': 900 })],
    entity: `${INNER}, ${TARGET}`,
    misses: {
      'an hour': () => [
        flow(0, { 'event.duration': 3_600_000_000_000, 'source.packets': 900, 'destination.packets': 900 }),
      ],
    },
  },
  'Large transfer by FTP, SSH or mail from one VPN session': {
    fires: () => manyFlows(3, 60, () => ({ 'destination.port': 22, 'source.bytes': 90_000_000 })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      '180 megabytes': () => manyFlows(2, 60, () => ({ 'destination.port': 22, 'source.bytes': 90_000_000 })),
      'by HTTPS': () => manyFlows(3, 60, () => ({ 'destination.port': 443, 'source.bytes': 90_000_000 })),
    },
  },
  'Data that leaves a VPN session in many pieces': {
    fires: () => manyFlows(50, 60, () => ({ 'source.bytes': 9_000_000 })),
    entity: `s-1, ${INNER}, ${TARGET}`,
    misses: {
      'thirty pieces': () => manyFlows(30, 60, () => ({ 'source.bytes': 9_000_000 })),
      'small ones': () => manyFlows(50, 60, () => ({ 'source.bytes': 9_000 })),
    },
  },
  'TCP segments made to deceive a sensor': {
    fires: () => many('protocol.anomaly', 5, 20, () => ({ 'anomaly.name': 'tcp.overlap_conflict' })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      two: () => many('protocol.anomaly', 2, 20, () => ({ 'anomaly.name': 'tcp.overlap_conflict' })),
    },
  },
  'HTTP request with two lengths': {
    fires: () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'http.conflicting_length' })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a long line': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'http.line_length' })],
    },
  },
}
