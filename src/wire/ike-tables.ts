/**
 * The registries of IKE as data: IKEv1 (RFC 2407 to 2409 and the IANA registry "IPSEC ISAKMP"), IKEv2 (RFC 7296 and the
 * IANA registry "IKEv2 Parameters"), and the vendor extensions that are met in the field.
 */

type Names = Readonly<Record<number, string>>

/** The name of a number in a registry; the number itself if nobody named it. */
export function nameOf(names: Names, number: number): string {
  return names[number] ?? String(number)
}

export const IKE_V1_EXCHANGES: Names = {
  0: 'none',
  1: 'base',
  2: 'main',
  3: 'authentication only',
  4: 'aggressive',
  5: 'informational',
  6: 'transaction',
  32: 'quick',
  33: 'new group',
  243: 'AuthIP main',
  244: 'AuthIP quick',
  245: 'AuthIP extended',
  246: 'AuthIP notify',
}

export const IKE_V2_EXCHANGES: Names = {
  34: 'IKE_SA_INIT',
  35: 'IKE_AUTH',
  36: 'CREATE_CHILD_SA',
  37: 'INFORMATIONAL',
  38: 'IKE_SESSION_RESUME',
  39: 'GSA_AUTH',
  40: 'GSA_REGISTRATION',
  41: 'GSA_REKEY',
  42: 'GSA_INBAND_REKEY',
  43: 'IKE_INTERMEDIATE',
  44: 'IKE_FOLLOWUP_KE',
}

/** How a payload is read. */
export type IkePayloadKind =
  | 'sa'
  | 'ke'
  | 'id'
  | 'cert'
  | 'certreq'
  | 'hash'
  | 'auth'
  | 'nonce'
  | 'notify'
  | 'delete'
  | 'vendor'
  | 'natd'
  | 'natoa'
  | 'ts'
  | 'config'
  | 'eap'
  | 'encrypted'
  | 'fragment'
  | 'gdoi'
  | 'data'
  | 'other'

type Payloads = Readonly<Record<number, readonly [name: string, kind: IkePayloadKind]>>

export const IKE_V1_PAYLOADS: Payloads = {
  1: ['SA', 'sa'],
  2: ['P', 'other'],
  3: ['T', 'other'],
  4: ['KE', 'ke'],
  5: ['ID', 'id'],
  6: ['CERT', 'cert'],
  7: ['CR', 'certreq'],
  8: ['HASH', 'hash'],
  9: ['SIG', 'hash'],
  10: ['NONCE', 'nonce'],
  11: ['N', 'notify'],
  12: ['D', 'delete'],
  13: ['VID', 'vendor'],
  14: ['ATTR', 'config'],
  15: ['SAK', 'gdoi'],
  16: ['SAT', 'gdoi'],
  17: ['KD', 'gdoi'],
  18: ['SEQ', 'gdoi'],
  19: ['POP', 'gdoi'],
  20: ['NAT-D', 'natd'],
  21: ['NAT-OA', 'natoa'],
  22: ['GAP', 'gdoi'],
  130: ['NAT-D (draft)', 'natd'],
  131: ['NAT-OA (draft)', 'natoa'],
  132: ['FRAGMENT', 'fragment'],
}

export const IKE_V2_PAYLOADS: Payloads = {
  33: ['SA', 'sa'],
  34: ['KE', 'ke'],
  35: ['IDi', 'id'],
  36: ['IDr', 'id'],
  37: ['CERT', 'cert'],
  38: ['CERTREQ', 'certreq'],
  39: ['AUTH', 'auth'],
  40: ['NONCE', 'nonce'],
  41: ['N', 'notify'],
  42: ['D', 'delete'],
  43: ['V', 'vendor'],
  44: ['TSi', 'ts'],
  45: ['TSr', 'ts'],
  46: ['SK', 'encrypted'],
  47: ['CP', 'config'],
  48: ['EAP', 'eap'],
  49: ['GSPM', 'data'],
  50: ['IDg', 'id'],
  51: ['GSA', 'other'],
  52: ['KD', 'other'],
  53: ['SKF', 'encrypted'],
  54: ['PS', 'data'],
}

/** IKEv1 phase 1 attribute 3; the XAUTH and hybrid numbers come from their drafts. */
const IKE_V1_AUTHENTICATION_METHODS: Names = {
  1: 'PSK',
  2: 'DSS-SIG',
  3: 'RSA-SIG',
  4: 'RSA-ENC',
  5: 'RSA-REV-ENC',
  6: 'ELGAMAL-ENC',
  7: 'ELGAMAL-REV-ENC',
  8: 'ECDSA-SIG',
  9: 'ECDSA-256',
  10: 'ECDSA-384',
  11: 'ECDSA-521',
  64221: 'HYBRID-INIT-RSA',
  64222: 'HYBRID-RESP-RSA',
  64223: 'HYBRID-INIT-DSS',
  64224: 'HYBRID-RESP-DSS',
  65001: 'XAUTH-INIT-PSK',
  65002: 'XAUTH-RESP-PSK',
  65003: 'XAUTH-INIT-DSS',
  65004: 'XAUTH-RESP-DSS',
  65005: 'XAUTH-INIT-RSA',
  65006: 'XAUTH-RESP-RSA',
  65007: 'XAUTH-INIT-RSA-ENC',
  65008: 'XAUTH-RESP-RSA-ENC',
  65009: 'XAUTH-INIT-RSA-REV-ENC',
  65010: 'XAUTH-RESP-RSA-REV-ENC',
}

/** IKEv2, in the AUTH payload. */
export const IKE_V2_AUTHENTICATION_METHODS: Names = {
  1: 'RSA digital signature',
  2: 'shared key message integrity code',
  3: 'DSS digital signature',
  9: 'ECDSA with SHA-256 on P-256',
  10: 'ECDSA with SHA-384 on P-384',
  11: 'ECDSA with SHA-512 on P-521',
  12: 'generic secure password authentication',
  13: 'NULL authentication',
  14: 'digital signature',
}

export const IKE_CERTIFICATE_ENCODINGS: Names = {
  0: 'none',
  1: 'PKCS #7',
  2: 'PGP',
  3: 'DNS signed key',
  4: 'X.509 signature',
  5: 'X.509 key exchange',
  6: 'Kerberos tokens',
  7: 'CRL',
  8: 'ARL',
  9: 'SPKI',
  10: 'X.509 attribute',
  11: 'raw RSA key',
  12: 'hash and URL of X.509 certificate',
  13: 'hash and URL of X.509 bundle',
  14: 'OCSP content',
  15: 'raw public key',
}

export const IKE_ID_TYPES: Names = {
  1: 'ID_IPV4_ADDR',
  2: 'ID_FQDN',
  3: 'ID_USER_FQDN',
  4: 'ID_IPV4_ADDR_SUBNET',
  5: 'ID_IPV6_ADDR',
  6: 'ID_IPV6_ADDR_SUBNET',
  7: 'ID_IPV4_ADDR_RANGE',
  8: 'ID_IPV6_ADDR_RANGE',
  9: 'ID_DER_ASN1_DN',
  10: 'ID_DER_ASN1_GN',
  11: 'ID_KEY_ID',
  12: 'ID_LIST',
  13: 'ID_NULL',
}

/** IKEv2 renamed one and gave another to Fibre Channel. */
export const IKE_V2_ID_TYPES: Names = { ...IKE_ID_TYPES, 3: 'ID_RFC822_ADDR', 12: 'ID_FC_NAME' }

export const IKE_V1_PROTOCOLS: Names = { 1: 'ISAKMP', 2: 'AH', 3: 'ESP', 4: 'IPCOMP', 5: 'GIGABEAM_RADIO' }
export const IKE_V2_PROTOCOLS: Names = {
  1: 'IKE',
  2: 'AH',
  3: 'ESP',
  4: 'FC_ESP_HEADER',
  5: 'FC_CT_AUTHENTICATION',
  6: 'GIKE_UPDATE',
}

export const IKE_DOIS: Names = { 0: 'ISAKMP', 1: 'IPSEC', 2: 'GDOI' }

/** Bits of the situation of an SA payload (RFC 2407, section 4.2). */
export const IKE_SITUATIONS = [
  [1, 'SIT_IDENTITY_ONLY'],
  [2, 'SIT_SECRECY'],
  [4, 'SIT_INTEGRITY'],
] as const

/** Bits of the flags octet in the header. */
export const IKE_V1_FLAGS = [
  [1, 'encryption'],
  [2, 'commit'],
  [4, 'authentication only'],
] as const
export const IKE_V2_FLAGS = [
  [0x08, 'initiator'],
  [0x10, 'higher version'],
  [0x20, 'response'],
] as const

/** The names of the bits that are set. */
export function bitNames(bits: readonly (readonly [bit: number, name: string])[], value: number): readonly string[] {
  return bits.filter(([bit]) => (value & bit) !== 0).map(([, name]) => name)
}

/** Key exchange methods: IKEv1 group descriptions and IKEv2 transform type 4 share one registry of groups. */
export const IKE_GROUPS: Names = {
  0: 'NONE',
  1: 'modp768',
  2: 'modp1024',
  3: 'ec2n155',
  4: 'ec2n185',
  5: 'modp1536',
  6: 'ec2n163',
  7: 'ec2n163b',
  8: 'ec2n283',
  9: 'ec2n283b',
  10: 'ec2n409',
  11: 'ec2n409b',
  12: 'ec2n571',
  13: 'ec2n571b',
  14: 'modp2048',
  15: 'modp3072',
  16: 'modp4096',
  17: 'modp6144',
  18: 'modp8192',
  19: 'ecp256',
  20: 'ecp384',
  21: 'ecp521',
  22: 'modp1024s160',
  23: 'modp2048s224',
  24: 'modp2048s256',
  25: 'ecp192',
  26: 'ecp224',
  27: 'ecp224bp',
  28: 'ecp256bp',
  29: 'ecp384bp',
  30: 'ecp512bp',
  31: 'curve25519',
  32: 'curve448',
  33: 'gost3410-256',
  34: 'gost3410-512',
  35: 'ml-kem-512',
  36: 'ml-kem-768',
  37: 'ml-kem-1024',
  1030: 'ntru-112 (strongSwan)',
  1031: 'ntru-128 (strongSwan)',
  1032: 'ntru-192 (strongSwan)',
  1033: 'ntru-256 (strongSwan)',
  1040: 'newhope-128 (strongSwan)',
}

const IKE_V1_ENCRYPTION: Names = {
  1: 'DES-CBC',
  2: 'IDEA-CBC',
  3: 'BLOWFISH-CBC',
  4: 'RC5-R16-B64-CBC',
  5: '3DES-CBC',
  6: 'CAST-CBC',
  7: 'AES-CBC',
  8: 'CAMELLIA-CBC',
  127: 'SM4-CBC (deprecated)',
  128: 'SM1-CBC',
  129: 'SM4-CBC',
}

const IKE_V1_HASHES: Names = {
  1: 'MD5',
  2: 'SHA1',
  3: 'TIGER',
  4: 'SHA2-256',
  5: 'SHA2-384',
  6: 'SHA2-512',
  20: 'SM3',
}

/** An attribute: its name, and the registry of its values if it has one. */
export type IkeAttributeNames = Readonly<Record<number, readonly [name: string, values?: Names]>>

/** RFC 2409, appendix A. */
export const IKE_PHASE1_ATTRIBUTES: IkeAttributeNames = {
  1: ['encryption', IKE_V1_ENCRYPTION],
  2: ['hash', IKE_V1_HASHES],
  3: ['authentication', IKE_V1_AUTHENTICATION_METHODS],
  4: ['group', IKE_GROUPS],
  5: ['group type', { 1: 'MODP', 2: 'ECP', 3: 'EC2N' }],
  6: ['group prime'],
  7: ['group generator one'],
  8: ['group generator two'],
  9: ['group curve A'],
  10: ['group curve B'],
  11: ['life type', { 1: 'seconds', 2: 'kilobytes' }],
  12: ['life duration'],
  13: ['PRF'],
  14: ['key length'],
  15: ['field size'],
  16: ['group order'],
  17: ['block size'],
  20: ['asymmetric algorithm', { 1: 'RSA', 2: 'SM2' }],
}

/** RFC 2407, section 4.5. */
export const IKE_PHASE2_ATTRIBUTES: IkeAttributeNames = {
  1: ['life type', { 1: 'seconds', 2: 'kilobytes' }],
  2: ['life duration'],
  3: ['group', IKE_GROUPS],
  4: [
    'encapsulation',
    {
      1: 'tunnel',
      2: 'transport',
      3: 'UDP-encapsulated tunnel',
      4: 'UDP-encapsulated transport',
      61440: 'UDP-encapsulated tunnel (Check Point)',
      61443: 'UDP-encapsulated tunnel (draft)',
      61444: 'UDP-encapsulated transport (draft)',
    },
  ],
  5: [
    'authentication',
    {
      1: 'HMAC-MD5',
      2: 'HMAC-SHA1',
      3: 'DES-MAC',
      4: 'KPDK',
      5: 'HMAC-SHA2-256',
      6: 'HMAC-SHA2-384',
      7: 'HMAC-SHA2-512',
      8: 'HMAC-RIPEMD',
      9: 'AES-XCBC-MAC',
      10: 'SIG-RSA',
      11: 'AES-128-GMAC',
      12: 'AES-192-GMAC',
      13: 'AES-256-GMAC',
    },
  ],
  6: ['key length'],
  7: ['key rounds'],
  8: ['compress dictionary size'],
  9: ['compress private algorithm'],
  10: ['ECN tunnel', { 1: 'allowed', 2: 'forbidden' }],
  11: ['extended sequence numbers', { 1: '64 bit' }],
  12: ['authentication key length'],
  13: ['signature encoding', { 1: 'RSASSA-PKCS1-v1_5', 2: 'RSASSA-PSS' }],
  14: ['address preservation', { 1: 'none', 2: 'source only', 3: 'destination only', 4: 'source and destination' }],
  15: ['SA direction', { 1: 'sender only', 2: 'receiver only', 3: 'symmetric' }],
}

/** Attributes of an IKEv2 transform (RFC 7296, section 3.3.5; RFC 9838). */
export const IKE_V2_ATTRIBUTES: IkeAttributeNames = { 14: ['key length'], 18: ['signature algorithm identifier'] }

/** Transform ids of IKEv1, by protocol (RFC 2407, section 4.4). */
export const IKE_V1_TRANSFORMS: Readonly<Record<number, Names>> = {
  1: { 1: 'KEY_IKE' },
  2: {
    2: 'AH_MD5',
    3: 'AH_SHA',
    4: 'AH_DES',
    5: 'AH_SHA2-256',
    6: 'AH_SHA2-384',
    7: 'AH_SHA2-512',
    8: 'AH_RIPEMD',
    9: 'AH_AES-XCBC-MAC',
    10: 'AH_RSA',
    11: 'AH_AES-128-GMAC',
    12: 'AH_AES-192-GMAC',
    13: 'AH_AES-256-GMAC',
  },
  3: {
    1: 'ESP_DES_IV64',
    2: 'ESP_DES',
    3: 'ESP_3DES',
    4: 'ESP_RC5',
    5: 'ESP_IDEA',
    6: 'ESP_CAST',
    7: 'ESP_BLOWFISH',
    8: 'ESP_3IDEA',
    9: 'ESP_DES_IV32',
    10: 'ESP_RC4',
    11: 'ESP_NULL',
    12: 'ESP_AES-CBC',
    13: 'ESP_AES-CTR',
    14: 'ESP_AES-CCM_8',
    15: 'ESP_AES-CCM_12',
    16: 'ESP_AES-CCM_16',
    18: 'ESP_AES-GCM_8',
    19: 'ESP_AES-GCM_12',
    20: 'ESP_AES-GCM_16',
    21: 'ESP_SEED_CBC',
    22: 'ESP_CAMELLIA',
    23: 'ESP_NULL_AUTH_AES-GMAC',
  },
  4: { 1: 'IPCOMP_OUI', 2: 'IPCOMP_DEFLATE', 3: 'IPCOMP_LZS', 4: 'IPCOMP_LZJH' },
}

const ENCRYPTION: Names = {
  1: 'ENCR_DES_IV64',
  2: 'ENCR_DES',
  3: 'ENCR_3DES',
  4: 'ENCR_RC5',
  5: 'ENCR_IDEA',
  6: 'ENCR_CAST',
  7: 'ENCR_BLOWFISH',
  8: 'ENCR_3IDEA',
  9: 'ENCR_DES_IV32',
  11: 'ENCR_NULL',
  12: 'ENCR_AES_CBC',
  13: 'ENCR_AES_CTR',
  14: 'ENCR_AES_CCM_8',
  15: 'ENCR_AES_CCM_12',
  16: 'ENCR_AES_CCM_16',
  18: 'ENCR_AES_GCM_8',
  19: 'ENCR_AES_GCM_12',
  20: 'ENCR_AES_GCM_16',
  21: 'ENCR_NULL_AUTH_AES_GMAC',
  23: 'ENCR_CAMELLIA_CBC',
  24: 'ENCR_CAMELLIA_CTR',
  25: 'ENCR_CAMELLIA_CCM_8',
  26: 'ENCR_CAMELLIA_CCM_12',
  27: 'ENCR_CAMELLIA_CCM_16',
  28: 'ENCR_CHACHA20_POLY1305',
  29: 'ENCR_AES_CCM_8_IIV',
  30: 'ENCR_AES_GCM_16_IIV',
  31: 'ENCR_CHACHA20_POLY1305_IIV',
  32: 'ENCR_KUZNYECHIK_MGM_KTREE',
  33: 'ENCR_MAGMA_MGM_KTREE',
  34: 'ENCR_KUZNYECHIK_MGM_MAC_KTREE',
  35: 'ENCR_MAGMA_MGM_MAC_KTREE',
}

const PSEUDO_RANDOM: Names = {
  1: 'PRF_HMAC_MD5',
  2: 'PRF_HMAC_SHA1',
  3: 'PRF_HMAC_TIGER',
  4: 'PRF_AES128_XCBC',
  5: 'PRF_HMAC_SHA2_256',
  6: 'PRF_HMAC_SHA2_384',
  7: 'PRF_HMAC_SHA2_512',
  8: 'PRF_AES128_CMAC',
  9: 'PRF_HMAC_STREEBOG_512',
}

const INTEGRITY: Names = {
  0: 'AUTH_NONE',
  1: 'AUTH_HMAC_MD5_96',
  2: 'AUTH_HMAC_SHA1_96',
  3: 'AUTH_DES_MAC',
  4: 'AUTH_KPDK_MD5',
  5: 'AUTH_AES_XCBC_96',
  6: 'AUTH_HMAC_MD5_128',
  7: 'AUTH_HMAC_SHA1_160',
  8: 'AUTH_AES_CMAC_96',
  9: 'AUTH_AES_128_GMAC',
  10: 'AUTH_AES_192_GMAC',
  11: 'AUTH_AES_256_GMAC',
  12: 'AUTH_HMAC_SHA2_256_128',
  13: 'AUTH_HMAC_SHA2_384_192',
  14: 'AUTH_HMAC_SHA2_512_256',
}

const SEQUENCE_NUMBERS: Names = { 0: 'NO_ESN', 1: 'ESN', 2: 'UNSPECIFIED_SEQUENCE_NUMBERS' }

/** IKEv2 transform types: the name of the type, and the registry of its ids (RFC 9370 adds types 6 to 12, RFC 9838 13 and 14). */
export const IKE_V2_TRANSFORM_TYPES: Readonly<Record<number, readonly [name: string, ids: Names]>> = {
  1: ['ENCR', ENCRYPTION],
  2: ['PRF', PSEUDO_RANDOM],
  3: ['INTEG', INTEGRITY],
  4: ['KE', IKE_GROUPS],
  5: ['SN', SEQUENCE_NUMBERS],
  6: ['ADDKE1', IKE_GROUPS],
  7: ['ADDKE2', IKE_GROUPS],
  8: ['ADDKE3', IKE_GROUPS],
  9: ['ADDKE4', IKE_GROUPS],
  10: ['ADDKE5', IKE_GROUPS],
  11: ['ADDKE6', IKE_GROUPS],
  12: ['ADDKE7', IKE_GROUPS],
  13: ['KWA', { 1: 'KW_5649_128', 2: 'KW_5649_192', 3: 'KW_5649_256', 4: 'KW_ARX' }],
  14: ['GCAUTH', { 1: 'IMPLICIT', 2: 'DIGITAL_SIGNATURE' }],
}

export const IKE_TRAFFIC_SELECTORS: Names = {
  7: 'TS_IPV4_ADDR_RANGE',
  8: 'TS_IPV6_ADDR_RANGE',
  9: 'TS_FC_ADDR_RANGE',
  10: 'TS_SECLABEL',
}

export const IKE_CONFIG_TYPES: Names = { 1: 'CFG_REQUEST', 2: 'CFG_REPLY', 3: 'CFG_SET', 4: 'CFG_ACK' }

/** Mode Config and XAUTH of IKEv1, CP of IKEv2: one numbering with later additions. */
export const IKE_CONFIG_ATTRIBUTES: Names = {
  1: 'INTERNAL_IP4_ADDRESS',
  2: 'INTERNAL_IP4_NETMASK',
  3: 'INTERNAL_IP4_DNS',
  4: 'INTERNAL_IP4_NBNS',
  5: 'INTERNAL_ADDRESS_EXPIRY',
  6: 'INTERNAL_IP4_DHCP',
  7: 'APPLICATION_VERSION',
  8: 'INTERNAL_IP6_ADDRESS',
  9: 'INTERNAL_IP6_NETMASK',
  10: 'INTERNAL_IP6_DNS',
  11: 'INTERNAL_IP6_NBNS',
  12: 'INTERNAL_IP6_DHCP',
  13: 'INTERNAL_IP4_SUBNET',
  14: 'SUPPORTED_ATTRIBUTES',
  15: 'INTERNAL_IP6_SUBNET',
  16: 'MIP6_HOME_PREFIX',
  17: 'INTERNAL_IP6_LINK',
  18: 'INTERNAL_IP6_PREFIX',
  19: 'HOME_AGENT_ADDRESS',
  20: 'P_CSCF_IP4_ADDRESS',
  21: 'P_CSCF_IP6_ADDRESS',
  22: 'FTT_KAT',
  23: 'EXTERNAL_SOURCE_IP4_NAT_INFO',
  24: 'TIMEOUT_PERIOD_FOR_LIVENESS_CHECK',
  25: 'INTERNAL_DNS_DOMAIN',
  26: 'INTERNAL_DNSSEC_TA',
  27: 'ENCDNS_IP4',
  28: 'ENCDNS_IP6',
  29: 'ENCDNS_DIGEST_INFO',
  16387: 'CHKPT_DEF_DOMAIN',
  16388: 'CHKPT_MAC_ADDRESS',
  16389: 'CHKPT_MARCIPAN_REASON_CODE',
  16520: 'XAUTH_TYPE',
  16521: 'XAUTH_USER_NAME',
  16522: 'XAUTH_USER_PASSWORD',
  16523: 'XAUTH_PASSCODE',
  16524: 'XAUTH_MESSAGE',
  16525: 'XAUTH_CHALLENGE',
  16526: 'XAUTH_DOMAIN',
  16527: 'XAUTH_STATUS',
  16528: 'XAUTH_NEXT_PIN',
  16529: 'XAUTH_ANSWER',
  28672: 'UNITY_BANNER',
  28673: 'UNITY_SAVE_PASSWD',
  28674: 'UNITY_DEF_DOMAIN',
  28675: 'UNITY_SPLIT_DNS',
  28676: 'UNITY_SPLIT_INCLUDE',
  28677: 'UNITY_NATT_PORT',
  28678: 'UNITY_SPLIT_EXCLUDE',
  28679: 'UNITY_PFS',
  28680: 'UNITY_FW_TYPE',
  28681: 'UNITY_BACKUP_SERVERS',
  28682: 'UNITY_DDNS_HOSTNAME',
}

export const IKE_EAP_CODES: Names = {
  1: 'Request',
  2: 'Response',
  3: 'Success',
  4: 'Failure',
  5: 'Initiate',
  6: 'Finish',
}
