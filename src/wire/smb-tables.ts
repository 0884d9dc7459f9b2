/** What the versions of SMB have in numbers, by name: [MS-CIFS], [MS-SMB], [MS-SMB2], [MS-FSCC]. */

type Names = Readonly<Record<number, string>>
type Bits = readonly (readonly [bit: number, name: string])[]

export function bitNames(word: number, bits: Bits): string[] {
  return bits.filter(([bit]) => (word & bit) !== 0).map(([, name]) => name)
}

/** Numbers are written as the specifications write them; keys of an object may not be hexadecimal. */
function hexNames(entries: Readonly<Record<string, string>>): Names {
  return Object.fromEntries(Object.entries(entries).map(([digits, name]) => [Number.parseInt(digits, 16), name]))
}

export const SMB_COMMANDS: Names = hexNames({
  '00': 'CREATE_DIRECTORY',
  '01': 'DELETE_DIRECTORY',
  '02': 'OPEN',
  '03': 'CREATE',
  '04': 'CLOSE',
  '05': 'FLUSH',
  '06': 'DELETE',
  '07': 'RENAME',
  '08': 'QUERY_INFORMATION',
  '09': 'SET_INFORMATION',
  '0a': 'READ',
  '0b': 'WRITE',
  '0c': 'LOCK_BYTE_RANGE',
  '0d': 'UNLOCK_BYTE_RANGE',
  '0e': 'CREATE_TEMPORARY',
  '0f': 'CREATE_NEW',
  '10': 'CHECK_DIRECTORY',
  '11': 'PROCESS_EXIT',
  '12': 'SEEK',
  '13': 'LOCK_AND_READ',
  '14': 'WRITE_AND_UNLOCK',
  '1a': 'READ_RAW',
  '1d': 'WRITE_RAW',
  '20': 'WRITE_COMPLETE',
  '22': 'SET_INFORMATION2',
  '23': 'QUERY_INFORMATION2',
  '24': 'LOCKING_ANDX',
  '25': 'TRANSACTION',
  '26': 'TRANSACTION_SECONDARY',
  '27': 'IOCTL',
  '28': 'IOCTL_SECONDARY',
  '29': 'COPY',
  '2a': 'MOVE',
  '2b': 'ECHO',
  '2c': 'WRITE_AND_CLOSE',
  '2d': 'OPEN_ANDX',
  '2e': 'READ_ANDX',
  '2f': 'WRITE_ANDX',
  '31': 'CLOSE_AND_TREE_DISC',
  '32': 'TRANSACTION2',
  '33': 'TRANSACTION2_SECONDARY',
  '34': 'FIND_CLOSE2',
  '35': 'FIND_NOTIFY_CLOSE',
  '70': 'TREE_CONNECT',
  '71': 'TREE_DISCONNECT',
  '72': 'NEGOTIATE',
  '73': 'SESSION_SETUP_ANDX',
  '74': 'LOGOFF_ANDX',
  '75': 'TREE_CONNECT_ANDX',
  '80': 'QUERY_INFORMATION_DISK',
  '81': 'SEARCH',
  '82': 'FIND',
  '83': 'FIND_UNIQUE',
  '84': 'FIND_CLOSE',
  a0: 'NT_TRANSACT',
  a1: 'NT_TRANSACT_SECONDARY',
  a2: 'NT_CREATE_ANDX',
  a4: 'NT_CANCEL',
  a5: 'NT_RENAME',
  c0: 'OPEN_PRINT_FILE',
  c1: 'WRITE_PRINT_FILE',
  c2: 'CLOSE_PRINT_FILE',
  d0: 'SEND_SINGLE_MESSAGE',
  fe: 'INVALID',
  ff: 'NO_ANDX_COMMAND',
})

export const SMB_TRANSACTION2: Names = {
  0: 'OPEN2',
  1: 'FIND_FIRST2',
  2: 'FIND_NEXT2',
  3: 'QUERY_FS_INFORMATION',
  4: 'SET_FS_INFORMATION',
  5: 'QUERY_PATH_INFORMATION',
  6: 'SET_PATH_INFORMATION',
  7: 'QUERY_FILE_INFORMATION',
  8: 'SET_FILE_INFORMATION',
  9: 'FSCTL',
  10: 'IOCTL2',
  11: 'FIND_NOTIFY_FIRST',
  12: 'FIND_NOTIFY_NEXT',
  13: 'CREATE_DIRECTORY',
  14: 'SESSION_SETUP',
  16: 'GET_DFS_REFERRAL',
  17: 'REPORT_DFS_INCONSISTENCY',
}

export const SMB_NT_TRANSACT: Names = {
  1: 'CREATE',
  2: 'IOCTL',
  3: 'SET_SECURITY_DESC',
  4: 'NOTIFY_CHANGE',
  5: 'RENAME',
  6: 'QUERY_SECURITY_DESC',
  7: 'GET_USER_QUOTA',
  8: 'SET_USER_QUOTA',
}

/** What is asked of a named pipe in a TRANSACTION ([MS-CIFS] section 2.2.5). */
export const SMB_PIPE_TRANSACTIONS: Names = {
  1: 'SET_NMPIPE_STATE',
  17: 'RAW_READ_NMPIPE',
  33: 'QUERY_NMPIPE_STATE',
  34: 'QUERY_NMPIPE_INFO',
  35: 'PEEK_NMPIPE',
  38: 'TRANSACT_NMPIPE',
  49: 'RAW_WRITE_NMPIPE',
  54: 'READ_NMPIPE',
  55: 'WRITE_NMPIPE',
  83: 'WAIT_NMPIPE',
  84: 'CALL_NMPIPE',
}

export const SMB2_COMMANDS: Names = {
  0: 'NEGOTIATE',
  1: 'SESSION_SETUP',
  2: 'LOGOFF',
  3: 'TREE_CONNECT',
  4: 'TREE_DISCONNECT',
  5: 'CREATE',
  6: 'CLOSE',
  7: 'FLUSH',
  8: 'READ',
  9: 'WRITE',
  10: 'LOCK',
  11: 'IOCTL',
  12: 'CANCEL',
  13: 'ECHO',
  14: 'QUERY_DIRECTORY',
  15: 'CHANGE_NOTIFY',
  16: 'QUERY_INFO',
  17: 'SET_INFO',
  18: 'OPLOCK_BREAK',
  19: 'SERVER_TO_CLIENT_NOTIFICATION',
}

/** `2.???` is how an SMB1 negotiation asks for an SMB2 one. */
export const SMB2_DIALECTS: Names = hexNames({
  '0202': '2.0.2',
  '0210': '2.1',
  '02ff': '2.???',
  '0300': '3.0',
  '0302': '3.0.2',
  '0311': '3.1.1',
})

export const SMB2_CAPABILITIES: Bits = [
  [0x01, 'DFS'],
  [0x02, 'leasing'],
  [0x04, 'large MTU'],
  [0x08, 'multi-channel'],
  [0x10, 'persistent handles'],
  [0x20, 'directory leasing'],
  [0x40, 'encryption'],
  [0x80, 'notifications'],
]

export const SMB2_HASHES: Names = { 1: 'SHA-512' }
export const SMB2_CIPHERS: Names = { 1: 'AES-128-CCM', 2: 'AES-128-GCM', 3: 'AES-256-CCM', 4: 'AES-256-GCM' }
export const SMB2_SIGNINGS: Names = { 0: 'HMAC-SHA256', 1: 'AES-CMAC', 2: 'AES-GMAC' }
export const SMB2_COMPRESSIONS: Names = {
  0: 'none',
  1: 'LZNT1',
  2: 'LZ77',
  3: 'LZ77+Huffman',
  4: 'Pattern_V1',
  5: 'LZ4',
}

export const SMB2_SESSION_FLAGS: Bits = [
  [0x01, 'guest'],
  [0x02, 'null'],
  [0x04, 'encrypt'],
]

export const SMB2_SHARE_TYPES: Names = { 1: 'disk', 2: 'pipe', 3: 'printer' }

/** [MS-SMB2] section 2.2.13.1, which covers SMB1 and SMB2. */
export const FILE_ACCESS: Bits = [
  [0x00000001, 'read data'],
  [0x00000002, 'write data'],
  [0x00000004, 'append data'],
  [0x00000008, 'read EA'],
  [0x00000010, 'write EA'],
  [0x00000020, 'execute'],
  [0x00000040, 'delete child'],
  [0x00000080, 'read attributes'],
  [0x00000100, 'write attributes'],
  [0x00010000, 'delete'],
  [0x00020000, 'read control'],
  [0x00040000, 'write DAC'],
  [0x00080000, 'write owner'],
  [0x00100000, 'synchronize'],
  [0x01000000, 'access system security'],
  [0x02000000, 'maximum allowed'],
  [0x10000000, 'generic all'],
  [0x20000000, 'generic execute'],
  [0x40000000, 'generic write'],
  [0x80000000, 'generic read'],
]

/** Rights by which the content of a file changes. */
export const FILE_ACCESS_WRITES = 0x00000002 | 0x00000004 | 0x10000000 | 0x40000000

export const CREATE_DISPOSITIONS: Names = {
  0: 'supersede',
  1: 'open',
  2: 'create',
  3: 'open if',
  4: 'overwrite',
  5: 'overwrite if',
}

export const CREATE_ACTIONS: Names = { 0: 'superseded', 1: 'opened', 2: 'created', 3: 'overwritten' }

export const CREATE_OPTIONS: Bits = [
  [0x00000001, 'directory'],
  [0x00000002, 'write through'],
  [0x00000004, 'sequential only'],
  [0x00000008, 'no intermediate buffering'],
  [0x00000040, 'non-directory'],
  [0x00000200, 'no EA knowledge'],
  [0x00000800, 'random access'],
  [0x00001000, 'delete on close'],
  [0x00002000, 'open by file id'],
  [0x00004000, 'backup intent'],
  [0x00200000, 'open reparse point'],
]

export const IMPERSONATIONS: Names = { 0: 'anonymous', 1: 'identification', 2: 'impersonation', 3: 'delegation' }

export const FSCTL_PIPE_TRANSCEIVE = 0x0011c017
export const FSCTL_VALIDATE_NEGOTIATE_INFO = 0x00140204

export const FSCTLS: Names = hexNames({
  '00060194': 'FSCTL_DFS_GET_REFERRALS',
  '000601b0': 'FSCTL_DFS_GET_REFERRALS_EX',
  '0009003c': 'FSCTL_GET_COMPRESSION',
  '000900a4': 'FSCTL_SET_REPARSE_POINT',
  '000900a8': 'FSCTL_GET_REPARSE_POINT',
  '000900c0': 'FSCTL_CREATE_OR_GET_OBJECT_ID',
  '000900c4': 'FSCTL_SET_SPARSE',
  '000900ac': 'FSCTL_DELETE_REPARSE_POINT',
  '0009027c': 'FSCTL_GET_INTEGRITY_INFORMATION',
  '00090284': 'FSCTL_QUERY_FILE_REGIONS',
  '000940cf': 'FSCTL_QUERY_ALLOCATED_RANGES',
  '00098208': 'FSCTL_FILE_LEVEL_TRIM',
  '000980c8': 'FSCTL_SET_ZERO_DATA',
  '0009c040': 'FSCTL_SET_COMPRESSION',
  '0009c280': 'FSCTL_SET_INTEGRITY_INFORMATION',
  '00110018': 'FSCTL_PIPE_WAIT',
  '0011400c': 'FSCTL_PIPE_PEEK',
  '0011c017': 'FSCTL_PIPE_TRANSCEIVE',
  '00140078': 'FSCTL_SRV_REQUEST_RESUME_KEY',
  '001401d4': 'FSCTL_LMR_REQUEST_RESILIENCY',
  '001401fc': 'FSCTL_QUERY_NETWORK_INTERFACE_INFO',
  '00140204': 'FSCTL_VALIDATE_NEGOTIATE_INFO',
  '00144064': 'FSCTL_SRV_ENUMERATE_SNAPSHOTS',
  '001440f2': 'FSCTL_SRV_COPYCHUNK',
  '001441bb': 'FSCTL_SRV_READ_HASH',
  '001480f2': 'FSCTL_SRV_COPYCHUNK_WRITE',
})

export const INFORMATION_TYPES: Names = { 1: 'file', 2: 'file system', 3: 'security', 4: 'quota' }

export const FILE_RENAME_INFORMATION = 10
export const FILE_DISPOSITION_INFORMATION = 13
export const FILE_DISPOSITION_INFORMATION_EX = 64
export const FILE_RENAME_INFORMATION_EX = 65

/** [MS-FSCC] section 2.4. */
export const FILE_INFORMATION: Names = {
  1: 'FileDirectoryInformation',
  2: 'FileFullDirectoryInformation',
  3: 'FileBothDirectoryInformation',
  4: 'FileBasicInformation',
  5: 'FileStandardInformation',
  6: 'FileInternalInformation',
  7: 'FileEaInformation',
  8: 'FileAccessInformation',
  10: 'FileRenameInformation',
  11: 'FileLinkInformation',
  12: 'FileNamesInformation',
  13: 'FileDispositionInformation',
  14: 'FilePositionInformation',
  15: 'FileFullEaInformation',
  16: 'FileModeInformation',
  17: 'FileAlignmentInformation',
  18: 'FileAllInformation',
  19: 'FileAllocationInformation',
  20: 'FileEndOfFileInformation',
  21: 'FileAlternateNameInformation',
  22: 'FileStreamInformation',
  23: 'FilePipeInformation',
  24: 'FilePipeLocalInformation',
  28: 'FileCompressionInformation',
  34: 'FileNetworkOpenInformation',
  35: 'FileAttributeTagInformation',
  37: 'FileIdBothDirectoryInformation',
  38: 'FileIdFullDirectoryInformation',
  40: 'FileValidDataLengthInformation',
  41: 'FileShortNameInformation',
  48: 'FileNormalizedNameInformation',
  59: 'FileIdInformation',
  60: 'FileIdExtdDirectoryInformation',
  64: 'FileDispositionInformationEx',
  65: 'FileRenameInformationEx',
}

/** [MS-FSCC] section 2.5. */
export const FILE_SYSTEM_INFORMATION: Names = {
  1: 'FileFsVolumeInformation',
  2: 'FileFsLabelInformation',
  3: 'FileFsSizeInformation',
  4: 'FileFsDeviceInformation',
  5: 'FileFsAttributeInformation',
  6: 'FileFsControlInformation',
  7: 'FileFsFullSizeInformation',
  8: 'FileFsObjectIdInformation',
  11: 'FileFsSectorSizeInformation',
}
