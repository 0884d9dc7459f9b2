/** The bounds of the trackers, from the configuration. */
import { SECOND_US } from './base/time.ts'
import type { Config } from './config-schema.ts'
import type { TrackLimits } from './track/trackers.ts'

export function trackLimits({ track }: Config): TrackLimits {
  return {
    tunnelsMax: track.tunnelsMax,
    sessionsMax: track.sessionsMax,
    flowsMax: track.flowsMax,
    ikeExchangesMax: track.ikeExchangesMax,
    ikePosturesMax: track.ikePosturesMax,
    ikeStreamsMax: track.ikeStreamsMax,
    ikeIdleUs: track.ikeIdleSeconds * SECOND_US,
    espAssociationsMax: track.espAssociationsMax,
    espIdleUs: track.espIdleSeconds * SECOND_US,
    espReplayWindow: track.espReplayWindow,
    espNullPackets: track.espNullPackets,
    espWindowUs: track.espWindowSeconds * SECOND_US,
    pptpConnectionsMax: track.pptpConnectionsMax,
    pptpCallsMax: track.pptpCallsMax,
    pppoeSessionsMax: track.pppoeSessionsMax,
    setupTimeoutUs: track.setupTimeoutSeconds * SECOND_US,
    idleTimeoutUs: track.tunnelIdleSeconds * SECOND_US,
    tcpIdleUs: track.tcpIdleSeconds * SECOND_US,
    otherIdleUs: track.flowIdleSeconds * SECOND_US,
    conversationsMax: track.conversationsMax,
    streamBytesMax: track.streamBytesMax,
    streamWindowBytes: track.streamWindowBytes,
    carrierEventsPerMinute: track.applicationEventsPerMinute,
    flowEventsMax: track.applicationEventsPerFlow,
    adoptAfter: track.adoptAfterPackets,
    requestsPerMinute: track.requestsPerMinute,
    reportsPerMinute: track.anomaliesPerMinute,
    sourcesMax: track.anomalySourcesMax,
  }
}
