#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/bytes.h"
#include "dataplane/packet/super_packet.h"

// The virtio-net header that precedes every packet on a TUN with IFF_VNET_HDR (virtio 1.2, 5.1.6,
// the 10-byte form; its numbers are little-endian as the host's):
//
//   0      1      2        4       6       8
//   | flags | type | length | size  | start | offset |
//                   headers  segment checksum
namespace adit::io {

inline constexpr std::size_t kVirtioHeaderSize = 10;

// nullopt: a kind of segmentation that was not asked for.
[[nodiscard]] std::optional<packet::OffloadHeader> ReadVirtioHeader(
    std::span<const std::uint8_t, kVirtioHeaderSize> bytes);

void WriteVirtioHeader(const packet::OffloadHeader& offload,
                       std::span<std::uint8_t, kVirtioHeaderSize> out);

}  // namespace adit::io
