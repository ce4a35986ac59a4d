#pragma once

#include <algorithm>
#include <optional>
#include <variant>
#include <vector>

#include "dataplane/packet/ip_packet.h"

// A second reading of IP packets, written from packet/ip_packet.h's contract and the RFCs: one
// field at a time, nothing shared with the first.
namespace adit::fuzz {

class SlowIpReader {
 public:
  // is_quoted: of a packet in an ICMP error, whose end is not there.
  SlowIpReader(ByteSpan bytes, bool is_quoted) : bytes_(bytes), is_quoted_(is_quoted) {}

  packet::ParseResult Read() {
    if (auto reason = ReadHeaders()) {
      return *reason;
    }
    const bool has_mapped = IsMapped(out_.source) || IsMapped(out_.destination);
    if (out_.protocol == 4 || out_.protocol == 41 || has_mapped) {
      return packet::DropReason::kMappedAddress;
    }
    if (out_.fragment == packet::FragmentKind::kLater) {
      return out_;
    }
    const std::size_t there = out_.total_length - out_.transport_offset;
    const std::size_t needed = out_.protocol == 6 ? 20
                               : out_.protocol == 17 || out_.protocol == 1 || out_.protocol == 58
                                   ? 8
                                   : 0;
    if (there < needed) {
      return out_.fragment == packet::FragmentKind::kFirst ? packet::DropReason::kTinyFragment
                                                           : packet::DropReason::kMalformed;
    }
    ReadTransport(there);
    return out_;
  }

  std::optional<packet::IpPacket> ReadQuoted(bool is_v6) {
    if (ReadHeaders() || out_.is_v6 != is_v6) {
      return std::nullopt;
    }
    if (out_.fragment == packet::FragmentKind::kLater) {
      return out_;
    }
    if (bytes_.size() < out_.transport_offset + std::size_t{8}) {
      return std::nullopt;
    }
    ReadTransport(bytes_.size() - out_.transport_offset);
    return out_;
  }

 private:
  using Reason = std::optional<packet::DropReason>;

  [[nodiscard]] std::uint32_t Number(std::size_t at, std::size_t size) const {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < size; ++i) {
      number = number * 256 + bytes_[at + i];
    }
    return number;
  }
  [[nodiscard]] static bool IsMapped(const IpAddress& address) {
    if (address.bytes().size() != 16) {
      return false;
    }
    for (std::size_t i = 0; i < 12; ++i) {
      if (address.bytes()[i] != (i < 10 ? 0 : 0xff)) {
        return false;
      }
    }
    return true;
  }

  Reason ReadHeaders() {
    if (bytes_.empty()) {
      return packet::DropReason::kMalformed;
    }
    const unsigned version = bytes_[0] / 16;
    return version == 4   ? ReadV4()
           : version == 6 ? ReadV6()
                          : Reason(packet::DropReason::kUnknownVersion);
  }

  Reason ReadV4() {
    const std::size_t header = bytes_[0] % 16 * std::size_t{4};
    if (bytes_.size() < 20 || header < 20 || header > bytes_.size()) {
      return packet::DropReason::kMalformed;
    }
    out_.total_length = Number(2, 2);
    if (out_.total_length < header || (out_.total_length > bytes_.size() && !is_quoted_)) {
      return packet::DropReason::kMalformed;
    }
    out_.tos = bytes_[1];
    out_.fragment_id = Number(4, 2);
    out_.protocol = bytes_[9];
    out_.source = *IpAddress::FromBytes(bytes_.subspan(12, 4));
    out_.destination = *IpAddress::FromBytes(bytes_.subspan(16, 4));
    out_.transport_offset = static_cast<std::uint16_t>(header);
    const std::uint32_t offset = Number(6, 2) % 0x2000;
    SetFragment(offset != 0, Number(6, 2) / 0x2000 % 2 != 0);
    return offset == 1 && out_.protocol == 6 ? Reason(packet::DropReason::kTinyFragment)
                                             : std::nullopt;
  }

  Reason ReadV6() {
    if (bytes_.size() < 40) {
      return packet::DropReason::kMalformed;
    }
    out_.is_v6 = true;
    out_.total_length = 40 + Number(4, 2);
    if (out_.total_length > bytes_.size() && !is_quoted_) {
      return packet::DropReason::kMalformed;
    }
    out_.tos = static_cast<std::uint8_t>(Number(0, 2) / 16 % 256);
    out_.source = *IpAddress::FromBytes(bytes_.subspan(8, 16));
    out_.destination = *IpAddress::FromBytes(bytes_.subspan(24, 16));
    const std::size_t end = std::min<std::size_t>(out_.total_length, bytes_.size());
    std::vector<std::uint8_t> chain = {bytes_[6]};
    std::size_t at = 40;
    while (IsExtension(chain.back())) {
      const std::uint8_t kind = chain.back();
      const bool is_repeated_fragment = kind == 44 && out_.fragment != packet::FragmentKind::kWhole;
      if (chain.size() > 8 || (kind == 0 && chain.size() > 1) || at + 8 > end) {
        return packet::DropReason::kExtensionHeaders;
      }
      const std::size_t size = kind == 44   ? 8
                               : kind == 51 ? (bytes_[at + 1] + std::size_t{2}) * 4
                                            : (bytes_[at + 1] + std::size_t{1}) * 8;
      if (at + size > end || is_repeated_fragment) {
        return packet::DropReason::kExtensionHeaders;
      }
      chain.push_back(bytes_[at]);
      if (kind == 44) {
        out_.fragment_id = Number(at + 4, 4);
        SetFragment(Number(at + 2, 2) / 8 != 0, Number(at + 2, 2) % 2 != 0);
      }
      at += size;
      if (out_.fragment == packet::FragmentKind::kLater) {
        break;
      }
    }
    out_.protocol = chain.back();
    out_.transport_offset = static_cast<std::uint16_t>(at);
    return std::nullopt;
  }

  static bool IsExtension(std::uint8_t kind) {
    return kind == 0 || kind == 43 || kind == 44 || kind == 51 || kind == 60;
  }
  void SetFragment(bool has_offset, bool has_more) {
    out_.fragment = has_offset ? packet::FragmentKind::kLater
                    : has_more ? packet::FragmentKind::kFirst
                               : packet::FragmentKind::kWhole;
  }

  void ReadTransport(std::size_t there) {
    const std::size_t at = out_.transport_offset;
    if ((out_.protocol == 6 || out_.protocol == 17) && there >= 4) {
      out_.source_port = static_cast<std::uint16_t>(Number(at, 2));
      out_.destination_port = static_cast<std::uint16_t>(Number(at + 2, 2));
    }
    if (out_.protocol == 6 && there >= 14) {
      out_.tcp_flags = bytes_[at + 13];
    }
    if ((out_.protocol == 1 || out_.protocol == 58) && there >= 2) {
      out_.icmp_type = bytes_[at];
      out_.icmp_code = bytes_[at + 1];
      const bool is_echo = out_.protocol == 1 ? out_.icmp_type == 0 || out_.icmp_type == 8
                                              : out_.icmp_type == 128 || out_.icmp_type == 129;
      if (is_echo && there >= 6) {
        out_.source_port = static_cast<std::uint16_t>(Number(at + 4, 2));
        out_.destination_port = out_.source_port;
      }
    }
  }

  ByteSpan bytes_;
  bool is_quoted_;
  packet::IpPacket out_;
};

inline bool AreEqual(const packet::IpPacket& a, const packet::IpPacket& b) {
  return a.is_v6 == b.is_v6 && a.protocol == b.protocol && a.fragment == b.fragment &&
         a.tos == b.tos && a.transport_offset == b.transport_offset &&
         a.source_port == b.source_port && a.destination_port == b.destination_port &&
         a.icmp_type == b.icmp_type && a.icmp_code == b.icmp_code && a.tcp_flags == b.tcp_flags &&
         a.fragment_id == b.fragment_id && a.total_length == b.total_length &&
         a.source == b.source && a.destination == b.destination;
}

}  // namespace adit::fuzz
