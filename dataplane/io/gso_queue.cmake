adit_library(dataplane/io/gso
  SOURCES gso_buffer_pause.cc gso_buffers.cc gso_control_lane.cc gso_drain.cc gso_peer_lanes.cc
          gso_queue.cc gso_refusals.cc gso_stuck.cc
  DEPS common dataplane/packet)
