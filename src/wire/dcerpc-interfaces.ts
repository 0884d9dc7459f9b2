/**
 * Interfaces of DCE/RPC by their UUID, and the operations that their numbers stand for, under the names of Microsoft's open
 * specifications. Those that administer a machine or a domain remotely are listed with their operations; of others the name
 * is enough.
 */

export interface DcerpcInterface {
  /** As the field calls it: mostly the name of its pipe. */
  readonly name: string
  readonly operations: Readonly<Record<number, string>>
}

/** The operations follow the number of the first one in each line. */
function operations(lines: string): Readonly<Record<number, string>> {
  const table: Record<number, string> = {}
  for (const line of lines.trim().split('\n')) {
    const [first, ...names] = line.trim().split(/\s+/)
    for (const [index, name] of names.entries()) table[Number(first) + index] = name
  }
  return table
}

const NOTHING: Readonly<Record<number, string>> = {}

function named(name: string, lines?: string): DcerpcInterface {
  return { name, operations: lines === undefined ? NOTHING : operations(lines) }
}

export const EPMAPPER = 'e1af8308-5d1f-11c9-91a4-08002b14a0fa'
export const EPT_MAP = 3

export const TRANSFER_NDR = '8a885d04-1ceb-11c9-9fe8-08002b104860'
export const TRANSFER_NDR64 = '71710533-beba-4937-8319-b5dbef9ccc36'
/** The first eight octets of a transfer syntax that only asks for features ([MS-RPCE] section 3.3.1.5.3). */
export const TRANSFER_FEATURES = '6cb71c2c-9812-4540-'

/** IUnknown, on which every interface of DCOM is built: the first three numbers are its. */
const OBJECT = '0 QueryInterface AddRef Release'

const EFSRPC = `
  0 EfsRpcOpenFileRaw EfsRpcReadFileRaw EfsRpcWriteFileRaw EfsRpcCloseRaw EfsRpcEncryptFileSrv EfsRpcDecryptFileSrv
  6 EfsRpcQueryUsersOnFile EfsRpcQueryRecoveryAgents EfsRpcRemoveUsersFromFile EfsRpcAddUsersToFile
  12 EfsRpcFileKeyInfo EfsRpcDuplicateEncryptionInfoFile
  15 EfsRpcAddUsersToFileEx EfsRpcFileKeyInfoEx
  18 EfsRpcGetEncryptedFileMetadata EfsRpcSetEncryptedFileMetadata EfsRpcFlushEfsCache EfsRpcEncryptFileExSrv
  22 EfsRpcQueryProtectors`

export const DCERPC_INTERFACES: Readonly<Record<string, DcerpcInterface>> = {
  [EPMAPPER]: named(
    'epmapper',
    '0 ept_insert ept_delete ept_lookup ept_map ept_lookup_handle_free ept_inq_object ept_mgmt_delete',
  ),
  'afa8bd80-7d8a-11c9-bef4-08002b102989': named(
    'mgmt',
    '0 rpc_mgmt_inq_if_ids rpc_mgmt_inq_stats rpc_mgmt_is_server_listening rpc_mgmt_stop_server_listening rpc_mgmt_inq_princ_name',
  ),
  // [MS-SCMR]
  '367abb81-9844-35f1-ad32-98f038001003': named(
    'svcctl',
    `0 RCloseServiceHandle RControlService RDeleteService RLockServiceDatabase RQueryServiceObjectSecurity
     5 RSetServiceObjectSecurity RQueryServiceStatus RSetServiceStatus RUnlockServiceDatabase RNotifyBootConfigStatus
     11 RChangeServiceConfigW RCreateServiceW REnumDependentServicesW REnumServicesStatusW ROpenSCManagerW ROpenServiceW
     17 RQueryServiceConfigW RQueryServiceLockStatusW RStartServiceW RGetServiceDisplayNameW RGetServiceKeyNameW
     23 RChangeServiceConfigA RCreateServiceA REnumDependentServicesA REnumServicesStatusA ROpenSCManagerA ROpenServiceA
     29 RQueryServiceConfigA RQueryServiceLockStatusA RStartServiceA RGetServiceDisplayNameA RGetServiceKeyNameA
     35 REnumServiceGroupW RChangeServiceConfig2A RChangeServiceConfig2W RQueryServiceConfig2A RQueryServiceConfig2W
     40 RQueryServiceStatusEx REnumServicesStatusExA REnumServicesStatusExW
     44 RCreateServiceWOW64A RCreateServiceWOW64W
     47 RNotifyServiceStatusChange RGetNotifyResults RCloseNotifyHandle RControlServiceExA RControlServiceExW
     56 RQueryServiceConfigEx
     60 RCreateWowService
     64 ROpenSCManager2`,
  ),
  // [MS-TSCH]
  '1ff70682-0a51-30e8-076d-740be8cee98b': named('atsvc', '0 NetrJobAdd NetrJobDel NetrJobEnum NetrJobGetInfo'),
  '378e52b0-c0a9-11cf-822d-00aa0051e40f': named(
    'sasec',
    '0 SASetAccountInformation SASetNSAccountInformation SAGetNSAccountInformation SAGetAccountInformation',
  ),
  '86d35949-83c9-4044-b424-db363231fd0c': named(
    'ITaskSchedulerService',
    `0 SchRpcHighestVersion SchRpcRegisterTask SchRpcRetrieveTask SchRpcCreateFolder SchRpcSetSecurity SchRpcGetSecurity
     6 SchRpcEnumFolders SchRpcEnumTasks SchRpcEnumInstances SchRpcGetInstanceInfo SchRpcStopInstance SchRpcStop SchRpcRun
     13 SchRpcDelete SchRpcRename SchRpcScheduledRuntimes SchRpcGetLastRunInfo SchRpcGetTaskInfo
     18 SchRpcGetNumberOfMissedRuns SchRpcEnableTask`,
  ),
  // [MS-SAMR]
  '12345778-1234-abcd-ef00-0123456789ac': named(
    'samr',
    `0 SamrConnect SamrCloseHandle SamrSetSecurityObject SamrQuerySecurityObject
     5 SamrLookupDomainInSamServer SamrEnumerateDomainsInSamServer SamrOpenDomain SamrQueryInformationDomain
     9 SamrSetInformationDomain SamrCreateGroupInDomain SamrEnumerateGroupsInDomain SamrCreateUserInDomain
     13 SamrEnumerateUsersInDomain SamrCreateAliasInDomain SamrEnumerateAliasesInDomain SamrGetAliasMembership
     17 SamrLookupNamesInDomain SamrLookupIdsInDomain SamrOpenGroup SamrQueryInformationGroup SamrSetInformationGroup
     22 SamrAddMemberToGroup SamrDeleteGroup SamrRemoveMemberFromGroup SamrGetMembersInGroup SamrSetMemberAttributesOfGroup
     27 SamrOpenAlias SamrQueryInformationAlias SamrSetInformationAlias SamrDeleteAlias SamrAddMemberToAlias
     32 SamrRemoveMemberFromAlias SamrGetMembersInAlias SamrOpenUser SamrDeleteUser SamrQueryInformationUser
     37 SamrSetInformationUser SamrChangePasswordUser SamrGetGroupsForUser SamrQueryDisplayInformation
     41 SamrGetDisplayEnumerationIndex
     44 SamrGetUserDomainPasswordInformation SamrRemoveMemberFromForeignDomain SamrQueryInformationDomain2
     47 SamrQueryInformationUser2 SamrQueryDisplayInformation2 SamrGetDisplayEnumerationIndex2 SamrCreateUser2InDomain
     51 SamrQueryDisplayInformation3 SamrAddMultipleMembersToAlias SamrRemoveMultipleMembersFromAlias
     54 SamrOemChangePasswordUser2 SamrUnicodeChangePasswordUser2 SamrGetDomainPasswordInformation SamrConnect2
     58 SamrSetInformationUser2
     62 SamrConnect4
     64 SamrConnect5 SamrRidToSid SamrSetDSRMPassword SamrValidatePassword
     73 SamrUnicodeChangePasswordUser4`,
  ),
  // [MS-LSAD], [MS-LSAT]
  '12345778-1234-abcd-ef00-0123456789ab': named(
    'lsarpc',
    `0 LsarClose
     2 LsarEnumeratePrivileges LsarQuerySecurityObject LsarSetSecurityObject
     6 LsarOpenPolicy LsarQueryInformationPolicy LsarSetInformationPolicy
     10 LsarCreateAccount LsarEnumerateAccounts LsarCreateTrustedDomain LsarEnumerateTrustedDomains LsarLookupNames
     15 LsarLookupSids LsarCreateSecret LsarOpenAccount LsarEnumeratePrivilegesAccount LsarAddPrivilegesToAccount
     20 LsarRemovePrivilegesFromAccount
     23 LsarGetSystemAccessAccount LsarSetSystemAccessAccount LsarOpenTrustedDomain LsarQueryInfoTrustedDomain
     27 LsarSetInformationTrustedDomain LsarOpenSecret LsarSetSecret LsarQuerySecret LsarLookupPrivilegeValue
     32 LsarLookupPrivilegeName LsarLookupPrivilegeDisplayName LsarDeleteObject LsarEnumerateAccountsWithUserRight
     36 LsarEnumerateAccountRights LsarAddAccountRights LsarRemoveAccountRights LsarQueryTrustedDomainInfo
     40 LsarSetTrustedDomainInfo LsarDeleteTrustedDomain LsarStorePrivateData LsarRetrievePrivateData LsarOpenPolicy2
     45 LsarGetUserName LsarQueryInformationPolicy2 LsarSetInformationPolicy2 LsarQueryTrustedDomainInfoByName
     49 LsarSetTrustedDomainInfoByName LsarEnumerateTrustedDomainsEx LsarCreateTrustedDomainEx
     53 LsarQueryDomainInformationPolicy LsarSetDomainInformationPolicy LsarOpenTrustedDomainByName
     57 LsarLookupSids2 LsarLookupNames2 LsarCreateTrustedDomainEx2
     68 LsarLookupNames3
     73 LsarQueryForestTrustInformation LsarSetForestTrustInformation
     76 LsarLookupSids3 LsarLookupNames4`,
  ),
  '3919286a-b10c-11d0-9ba8-00c04fd92ef5': named('dssetup', '0 DsRolerGetPrimaryDomainInformation'),
  // [MS-DRSR]
  'e3514235-4b06-11d1-ab04-00c04fc2dcd2': named(
    'drsuapi',
    `0 DRSBind DRSUnbind DRSReplicaSync DRSGetNCChanges DRSUpdateRefs DRSReplicaAdd DRSReplicaDel DRSReplicaModify
     8 DRSVerifyNames DRSGetMemberships DRSInterDomainMove DRSGetNT4ChangeLog DRSCrackNames DRSWriteSPN DRSRemoveDsServer
     15 DRSRemoveDsDomain DRSDomainControllerInfo DRSAddEntry DRSExecuteKCC DRSGetReplInfo DRSAddSidHistory
     21 DRSGetMemberships2 DRSReplicaVerifyObjects DRSGetObjectExistence DRSQuerySitesByCost DRSInitDemotion
     26 DRSReplicaDemotion DRSFinishDemotion DRSAddCloneDC DRSWriteNgcKey DRSReadNgcKey`,
  ),
  '7c44d7d4-31d5-424c-bd5e-2b3e1f323d22': named('dsaop', '0 DSAPrepareScript DSAExecuteScript'),
  // [MS-SRVS]
  '4b324fc8-1670-01d3-1278-5a47bf6ee188': named(
    'srvsvc',
    `8 NetrConnectionEnum NetrFileEnum NetrFileGetInfo NetrFileClose NetrSessionEnum NetrSessionDel NetrShareAdd
     15 NetrShareEnum NetrShareGetInfo NetrShareSetInfo NetrShareDel NetrShareDelSticky NetrShareCheck NetrServerGetInfo
     22 NetrServerSetInfo NetrServerDiskEnum NetrServerStatisticsGet NetrServerTransportAdd NetrServerTransportEnum
     27 NetrServerTransportDel NetrRemoteTOD
     30 NetprPathType NetprPathCanonicalize NetprPathCompare NetprNameValidate NetprNameCanonicalize NetprNameCompare
     36 NetrShareEnumSticky NetrShareDelStart NetrShareDelCommit NetrpGetFileSecurity NetrpSetFileSecurity
     41 NetrServerTransportAddEx
     43 NetrDfsGetVersion NetrDfsCreateLocalPartition NetrDfsDeleteLocalPartition NetrDfsSetLocalVolumeState
     48 NetrDfsCreateExitPoint NetrDfsDeleteExitPoint NetrDfsModifyPrefix NetrDfsFixLocalVolume
     52 NetrDfsManagerReportSiteInfo NetrServerTransportDelEx NetrServerAliasAdd NetrServerAliasEnum NetrServerAliasDel
     57 NetrShareDelEx`,
  ),
  // [MS-WKST]
  '6bffd098-a112-3610-9833-46c3f87e345a': named(
    'wkssvc',
    `0 NetrWkstaGetInfo NetrWkstaSetInfo NetrWkstaUserEnum
     5 NetrWkstaTransportEnum NetrWkstaTransportAdd NetrWkstaTransportDel NetrUseAdd NetrUseGetInfo NetrUseDel NetrUseEnum
     13 NetrWorkstationStatisticsGet
     20 NetrGetJoinInformation
     22 NetrJoinDomain2 NetrUnjoinDomain2 NetrRenameMachineInDomain2 NetrValidateName2 NetrGetJoinableOUs2
     27 NetrAddAlternateComputerName NetrRemoveAlternateComputerName NetrSetPrimaryComputerName NetrEnumerateComputerNames`,
  ),
  // [MS-RRP]
  '338cd001-2244-31f1-aaaa-900038001003': named(
    'winreg',
    `0 OpenClassesRoot OpenCurrentUser OpenLocalMachine OpenPerformanceData OpenUsers BaseRegCloseKey BaseRegCreateKey
     7 BaseRegDeleteKey BaseRegDeleteValue BaseRegEnumKey BaseRegEnumValue BaseRegFlushKey BaseRegGetKeySecurity
     13 BaseRegLoadKey
     15 BaseRegOpenKey BaseRegQueryInfoKey BaseRegQueryValue BaseRegReplaceKey BaseRegRestoreKey BaseRegSaveKey
     21 BaseRegSetKeySecurity BaseRegSetValue BaseRegUnLoadKey BaseInitiateSystemShutdown BaseAbortSystemShutdown
     26 BaseRegGetVersion OpenCurrentConfig
     29 BaseRegQueryMultipleValues BaseInitiateSystemShutdownEx BaseRegSaveKeyEx OpenPerformanceText
     33 OpenPerformanceNlsText BaseRegQueryMultipleValues2 BaseRegDeleteKeyEx`,
  ),
  // [MS-RPRN]
  '12345678-1234-abcd-ef00-0123456789ab': named(
    'spoolss',
    `0 RpcEnumPrinters RpcOpenPrinter RpcSetJob RpcGetJob RpcEnumJobs RpcAddPrinter RpcDeletePrinter RpcSetPrinter
     8 RpcGetPrinter RpcAddPrinterDriver RpcEnumPrinterDrivers RpcGetPrinterDriver RpcGetPrinterDriverDirectory
     13 RpcDeletePrinterDriver RpcAddPrintProcessor RpcEnumPrintProcessors RpcGetPrintProcessorDirectory
     17 RpcStartDocPrinter RpcStartPagePrinter RpcWritePrinter RpcEndPagePrinter RpcAbortPrinter RpcReadPrinter
     23 RpcEndDocPrinter RpcAddJob RpcScheduleJob RpcGetPrinterData RpcSetPrinterData RpcWaitForPrinterChange
     29 RpcClosePrinter RpcAddForm RpcDeleteForm RpcGetForm RpcSetForm RpcEnumForms RpcEnumPorts RpcEnumMonitors
     39 RpcDeletePort
     46 RpcAddMonitor RpcDeleteMonitor RpcDeletePrintProcessor
     52 RpcResetPrinter RpcGetPrinterDriver2
     56 RpcFindClosePrinterChangeNotification
     58 RpcReplyOpenPrinter RpcRouterReplyPrinter RpcReplyClosePrinter
     62 RpcRemoteFindFirstPrinterChangeNotification
     65 RpcRemoteFindFirstPrinterChangeNotificationEx RpcRouterReplyPrinterEx RpcRouterRefreshPrinterChangeNotification
     69 RpcOpenPrinterEx RpcAddPrinterEx
     72 RpcEnumPrinterData RpcDeletePrinterData
     77 RpcSetPrinterDataEx RpcGetPrinterDataEx RpcEnumPrinterDataEx RpcEnumPrinterKey RpcDeletePrinterDataEx
     82 RpcDeletePrinterKey
     84 RpcDeletePrinterDriverEx RpcAddPerMachineConnection RpcDeletePerMachineConnection RpcEnumPerMachineConnections
     88 RpcXcvData RpcAddPrinterDriverEx
     102 RpcGetCorePrinterDrivers
     104 RpcGetPrinterDriverPackagePath`,
  ),
  // [MS-PAR]
  '76f03f96-cdfd-44fc-a22c-64950a001209': named(
    'IRemoteWinspool',
    `0 RpcAsyncOpenPrinter RpcAsyncAddPrinter RpcAsyncSetJob RpcAsyncGetJob RpcAsyncEnumJobs RpcAsyncAddJob
     6 RpcAsyncScheduleJob RpcAsyncDeletePrinter RpcAsyncSetPrinter RpcAsyncGetPrinter RpcAsyncStartDocPrinter
     20 RpcAsyncClosePrinter
     26 RpcAsyncGetPrinterDriver
     33 RpcAsyncXcvData
     38 RpcAsyncEnumPrinters RpcAsyncAddPrinterDriver RpcAsyncEnumPrinterDrivers RpcAsyncGetPrinterDriverDirectory
     42 RpcAsyncDeletePrinterDriver RpcAsyncDeletePrinterDriverEx RpcAsyncAddPrintProcessor
     51 RpcAsyncAddMonitor RpcAsyncDeleteMonitor
     58 RpcSyncRegisterForRemoteNotifications RpcSyncUnRegisterForRemoteNotifications RpcSyncRefreshRemoteNotifications
     61 RpcAsyncGetRemoteNotifications RpcAsyncInstallPrinterDriverFromPackage RpcAsyncUploadPrinterDriverPackage
     64 RpcAsyncGetCorePrinterDrivers`,
  ),
  // [MS-EFSR], on the pipes lsarpc and efsrpc
  'c681d488-d850-11d0-8c52-00c04fd90f7e': named('efsrpc', EFSRPC),
  'df1941c5-fe89-4e79-bf10-463657acf44d': named('efsrpc', EFSRPC),
  // [MS-NRPC]
  '12345678-1234-abcd-ef00-01234567cffb': named(
    'netlogon',
    `0 NetrLogonUasLogon NetrLogonUasLogoff NetrLogonSamLogon NetrLogonSamLogoff NetrServerReqChallenge
     5 NetrServerAuthenticate NetrServerPasswordSet NetrDatabaseDeltas NetrDatabaseSync NetrAccountDeltas NetrAccountSync
     11 NetrGetDCName NetrLogonControl NetrGetAnyDCName NetrLogonControl2 NetrServerAuthenticate2 NetrDatabaseSync2
     17 NetrDatabaseRedo NetrLogonControl2Ex NetrEnumerateTrustedDomains DsrGetDcName NetrLogonGetCapabilities
     22 NetrLogonSetServiceBits NetrLogonGetTrustRid NetrLogonComputeServerDigest NetrLogonComputeClientDigest
     26 NetrServerAuthenticate3 DsrGetDcNameEx DsrGetSiteName NetrLogonGetDomainInfo NetrServerPasswordSet2
     31 NetrServerPasswordGet NetrLogonSendToSam DsrAddressToSiteNamesW DsrGetDcNameEx2
     35 NetrLogonGetTimeServiceParentDomain NetrEnumerateTrustedDomainsEx DsrAddressToSiteNamesExW DsrGetDcSiteCoverageW
     39 NetrLogonSamLogonEx DsrEnumerateDomainTrusts DsrDeregisterDnsHostRecords NetrServerTrustPasswordsGet
     43 DsrGetForestTrustInformation NetrGetForestTrustInformation NetrLogonSamLogonWithFlags NetrServerGetTrustInfo
     48 DsrUpdateReadOnlyServerDnsRecords NetrChainSetClientAttributes
     59 NetrServerAuthenticateKerberos`,
  ),
  // [MS-DCOM]
  '99fcfec4-5260-101b-bbcb-00aa0021347a': named(
    'IObjectExporter',
    '0 ResolveOxid SimplePing ComplexPing ServerAlive ResolveOxid2 ServerAlive2',
  ),
  '4d9f4ab8-7d1c-11cf-861e-0020af6e7c57': named('IActivation', '0 RemoteActivation'),
  '000001a0-0000-0000-c000-000000000046': named(
    'IRemoteSCMActivator',
    `${OBJECT}
     3 RemoteGetClassObject RemoteCreateInstance`,
  ),
  '00000131-0000-0000-c000-000000000046': named(
    'IRemUnknown',
    `${OBJECT}
     3 RemQueryInterface RemAddRef RemRelease`,
  ),
  '00000143-0000-0000-c000-000000000046': named(
    'IRemUnknown2',
    `${OBJECT}
     3 RemQueryInterface RemAddRef RemRelease RemQueryInterface2`,
  ),
  '00020400-0000-0000-c000-000000000046': named(
    'IDispatch',
    `${OBJECT}
     3 GetTypeInfoCount GetTypeInfo GetIDsOfNames Invoke`,
  ),
  // [MS-WMI]
  'f309ad18-d86a-11d0-a075-00c04fb68820': named(
    'IWbemLevel1Login',
    `${OBJECT}
     3 EstablishPosition RequestChallenge WBEMLogin NTLMLogin`,
  ),
  'd4781cd6-e5d3-44df-ad94-930efe48a887': named(
    'IWbemLoginClientID',
    `${OBJECT}
     3 SetClientInfo`,
  ),
  '9556dc99-828c-11cf-a37e-00aa003240c7': named(
    'IWbemServices',
    `${OBJECT}
     3 OpenNamespace CancelAsyncCall QueryObjectSink GetObject GetObjectAsync PutClass PutClassAsync DeleteClass
     11 DeleteClassAsync CreateClassEnum CreateClassEnumAsync PutInstance PutInstanceAsync DeleteInstance
     17 DeleteInstanceAsync CreateInstanceEnum CreateInstanceEnumAsync ExecQuery ExecQueryAsync ExecNotificationQuery
     23 ExecNotificationQueryAsync ExecMethod ExecMethodAsync`,
  ),
  '027947e1-d731-11ce-a357-000000000001': named(
    'IEnumWbemClassObject',
    `${OBJECT}
     3 Reset Next NextAsync Clone Skip`,
  ),
  '1c1c45ee-4395-11d2-b60b-00104b703efd': named('IWbemFetchSmartEnum', `${OBJECT}\n3 GetSmartEnum`),
  '423ec01e-2e35-11d2-b604-00104b703efd': named('IWbemWCOSmartEnum', `${OBJECT}\n3 Next`),
  // [MS-EVEN], [MS-EVEN6]
  '82273fdc-e32a-18c3-3f78-827929dc23ea': named(
    'eventlog',
    `0 ElfrClearELFW ElfrBackupELFW ElfrCloseEL ElfrDeregisterEventSource ElfrNumberOfRecords ElfrOldestRecord
     6 ElfrChangeNotify ElfrOpenELW ElfrRegisterEventSourceW ElfrOpenBELW ElfrReadELW ElfrReportEventW ElfrClearELFA
     13 ElfrBackupELFA ElfrOpenELA ElfrRegisterEventSourceA ElfrOpenBELA ElfrReadELA ElfrReportEventA
     22 ElfrGetLogInformation
     24 ElfrReportEventAndSourceW ElfrReportEventExW ElfrReportEventExA`,
  ),
  'f6beaff7-1e19-4fbb-9f8f-b89e2018337c': named(
    'IEventService',
    `0 EvtRpcRegisterRemoteSubscription EvtRpcRemoteSubscriptionNextAsync EvtRpcRemoteSubscriptionNext
     3 EvtRpcRemoteSubscriptionWaitAsync EvtRpcRegisterControllableOperation EvtRpcRegisterLogQuery EvtRpcClearLog
     7 EvtRpcExportLog EvtRpcLocalizeExportLog EvtRpcMessageRender EvtRpcMessageRenderDefault EvtRpcQueryNext
     12 EvtRpcQuerySeek EvtRpcClose EvtRpcCancel EvtRpcAssertConfig EvtRpcRetractConfig EvtRpcOpenLogHandle
     18 EvtRpcGetLogFileInfo EvtRpcGetChannelList EvtRpcGetChannelConfig EvtRpcPutChannelConfig`,
  ),
  // [MS-BKRP]
  '3dde7c30-165d-11d1-ab8f-00805f14db40': named('BackupKey', '0 BackuprKey'),
  // [MS-RSP]
  '894de0c0-0d55-11d3-a322-00c04fa321a1': named(
    'InitShutdown',
    '0 BaseInitiateShutdown BaseAbortShutdown BaseInitiateShutdownEx',
  ),
  'd95afe70-a6d5-4259-822e-2c84da1ddb0d': named('WindowsShutdown', '0 WsdrInitiateShutdown WsdrAbortShutdown'),
  // [MS-DFSNM]
  '4fc742e0-4a10-11cf-8273-00aa004ae673': named(
    'netdfs',
    `0 NetrDfsManagerGetVersion NetrDfsAdd NetrDfsRemove NetrDfsSetInfo NetrDfsGetInfo NetrDfsEnum NetrDfsMove
     10 NetrDfsAddFtRoot NetrDfsRemoveFtRoot NetrDfsAddStdRoot NetrDfsRemoveStdRoot NetrDfsManagerInitialize
     15 NetrDfsAddStdRootForced NetrDfsGetDcAddress NetrDfsSetDcAddress NetrDfsFlushFtTable NetrDfsAdd2 NetrDfsRemove2
     21 NetrDfsEnumEx NetrDfsSetInfo2 NetrDfsAddRootTarget NetrDfsRemoveRootTarget NetrDfsGetSupportedNamespaceVersion`,
  ),
  // [MS-FSRVP]
  'a8e0653c-2744-4389-a61d-7373df8b2292': named(
    'FileServerVssAgent',
    `0 GetSupportedVersion SetContext StartShadowCopySet AddToShadowCopySet CommitShadowCopySet ExposeShadowCopySet
     6 RecoveryCompleteShadowCopySet AbortShadowCopySet IsPathSupported IsPathShadowCopied GetShareMapping
     11 DeleteShareMapping PrepareShadowCopySet`,
  ),
  // [MS-ICPR], [MS-WCCE]
  '91ae6020-9e3c-11cf-8d7c-00aa00c091be': named(
    'ICertPassage',
    '0 CertServerRequest CertServerGetCACert CertServerPing',
  ),
  'd99e6e70-fc88-11d0-b498-00a0c90312f3': named('ICertRequestD', `${OBJECT}\n3 Request GetCACert Ping`),
  '5422fd3a-d4b8-4cef-a12e-e87d4ca22e90': named(
    'ICertRequestD2',
    `${OBJECT}\n3 Request GetCACert Ping Request2 GetCAProperty GetCAPropertyInfo Ping2`,
  ),
  // [MS-DNSP]
  '50abc2a4-574d-40b3-9d66-ee4fd5fba076': named(
    'dnsserver',
    `0 R_DnssrvOperation R_DnssrvQuery R_DnssrvComplexOperation R_DnssrvEnumRecords R_DnssrvUpdateRecord
     5 R_DnssrvOperation2 R_DnssrvQuery2 R_DnssrvComplexOperation2 R_DnssrvEnumRecords2 R_DnssrvUpdateRecord2`,
  ),
  // [MS-TSTS]
  '484809d6-4239-471b-b5bc-61df8c23ac48': named(
    'TermSrvSession',
    '0 RpcOpenSession RpcCloseSession RpcConnect RpcDisconnect RpcLogoff RpcGetUserName RpcGetTerminalName RpcGetState',
  ),
  '88143fd0-c28d-4b2b-8fef-8d882f6a9390': named(
    'TermSrvEnumeration',
    '0 RpcOpenEnum RpcCloseEnum RpcFilterByState RpcFilterByCallersName RpcEnumAddFilter RpcGetEnumResult',
  ),
  '6bffd098-a112-3610-9833-012892020162': named(
    'browser',
    `0 I_BrowserrServerEnum I_BrowserDebugCall I_BrowserrQueryOtherDomains I_BrowserrResetNetlogonState
     4 I_BrowserDebugTrace I_BrowserrQueryStatistics I_BrowserResetStatistics NetrBrowserStatisticsClear
     8 NetrBrowserStatisticsGet I_BrowserrSetNetlogonState I_BrowserrQueryEmulatedDomains I_BrowserrServerEnumEx`,
  ),
  '17fdd703-1827-4e34-79d4-24a55c53bb37': named(
    'msgsvc',
    '0 NetrMessageNameAdd NetrMessageNameEnum NetrMessageNameGetInfo NetrMessageNameDel',
  ),
  '5a7b91f8-ff00-11d0-a9b2-00c04fb6e6fc': named('msgsvcsend', '0 NetrSendMessage'),
  '300f3532-38cc-11d0-a3f0-0020af6b0add': named('trkwks', '0 LnkMendLink'),
  '8fb6d884-2388-11d0-8c35-00c04fda2795': named('W32Time'),
  'f5cc5a18-4264-101a-8c59-08002b2f8426': named('nspi'),
  'f5cc59b4-4264-101a-8c59-08002b2f8426': named('frsrpc'),
  'd049b186-814f-11d1-9a3c-00c04fc9b232': named('frsapi'),
  '897e2e5f-93f3-4376-9c9c-fd2277495c27': named('FrsTransport'),
  '1544f5e0-613c-11d1-93df-00c04fd7bd09': named('rfr'),
  'a4f1db00-ca47-1067-b31f-00dd010662da': named('emsmdb'),
  '6bffd098-a112-3610-9833-46c3f874532d': named('dhcpsrv'),
  '5b821720-f63b-11d0-aad2-00c04fc324db': named('dhcpsrv2'),
  '6b5bdd1e-528c-422c-af8c-a4079be4fe48': named('RemoteFW'),
  '8f09f000-b7ed-11ce-bbd2-00001a181cad': named('dimsvc'),
  '2f5f6520-ca46-1067-b319-00dd010662da': named('tapsrv'),
  'b97db8b2-4c63-11cf-bff6-08002be23f2f': named('clusapi2'),
  'ccd8c074-d0e5-4a40-92b4-d074faa6ba28': named('Witness'),
}

export function interfaceName(uuid: string): string {
  return DCERPC_INTERFACES[uuid]?.name ?? uuid
}

/** The name of an operation; its number where the interface is not known so far. */
export function operationName(uuid: string, number: number): string {
  return DCERPC_INTERFACES[uuid]?.operations[number] ?? String(number)
}
