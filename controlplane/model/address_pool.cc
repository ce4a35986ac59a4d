#include "controlplane/model/address_pool.h"

#include <algorithm>

#include <fmt/format.h>

#include "controlplane/model/error.h"

namespace adit::model {
namespace {

// A bound for arithmetic: more nodes and peers than anybody has.
constexpr unsigned kMaxBits = 32;

std::uint64_t SizeOf(const IpPrefix& range) {
  if (range.family() == IpFamily::kNone) {
    return std::uint64_t{1} << kMaxBits;
  }
  return std::uint64_t{1} << std::min(range.address().bit_count() - range.length(), kMaxBits);
}

IpAddress Plus(const IpPrefix& range, std::uint64_t offset) {
  std::uint8_t bytes[16]{};
  const ByteSpan base = range.address().bytes();
  std::copy(base.begin(), base.end(), bytes);
  switch (range.family()) {
    case IpFamily::kV4:
      StoreBe32(bytes, LoadBe32(bytes) + static_cast<std::uint32_t>(offset));
      return IpAddress::V4(bytes);
    case IpFamily::kV6:
      StoreBe64(bytes + 8, LoadBe64(bytes + 8) + offset);
      return IpAddress::V6(bytes);
    case IpFamily::kNone:
      break;
  }
  return {};
}

std::optional<std::uint64_t> Minus(const IpAddress& address, const IpPrefix& range) {
  if (!range.Contains(address)) {
    return std::nullopt;
  }
  const std::uint8_t* bytes = address.bytes().data();
  const std::uint8_t* base = range.address().bytes().data();
  return address.is_v4() ? std::uint64_t{LoadBe32(bytes)} - LoadBe32(base)
                         : LoadBe64(bytes + 8) - LoadBe64(base + 8);
}

// DNS resources' proxy addresses and their sentinels.
bool IsReserved(const IpAddress& address) {
  static const IpPrefix kReserved[] = {
      IpPrefix::Parse("100.96.0.0/11").value(), IpPrefix::Parse("100.100.111.0/24").value(),
      IpPrefix::Parse("fd00:2021:1111:8000::/107").value(),
      IpPrefix::Parse("fd00:2021:1111:8000:100:100:111:0/120").value()};
  return std::any_of(std::begin(kReserved), std::end(kReserved),
                     [&](const IpPrefix& prefix) { return prefix.Contains(address); });
}

}  // namespace

AddressPool::AddressPool(const Network& network)
    : network_(network), size_(std::min(SizeOf(network.v4), SizeOf(network.v6))) {}

TunnelAddresses AddressPool::At(std::uint64_t offset) const {
  return {Plus(network_.v4, offset), Plus(network_.v6, offset)};
}

std::optional<std::uint64_t> AddressPool::OffsetOf(const TunnelAddresses& addresses) const {
  const bool has_v4 = network_.v4.family() != IpFamily::kNone;
  const bool has_v6 = network_.v6.family() != IpFamily::kNone;
  if (addresses.v4.is_set() != has_v4 || addresses.v6.is_set() != has_v6) {
    return std::nullopt;
  }
  const auto v4 = has_v4 ? Minus(addresses.v4, network_.v4) : std::nullopt;
  const auto v6 = has_v6 ? Minus(addresses.v6, network_.v6) : std::nullopt;
  if ((has_v4 && !v4) || (has_v6 && !v6) || (has_v4 && has_v6 && *v4 != *v6)) {
    return std::nullopt;
  }
  const std::uint64_t offset = has_v4 ? *v4 : *v6;
  return offset < size_ ? std::optional(offset) : std::nullopt;
}

absl::StatusOr<TunnelAddresses> AddressPool::Next() const {
  for (std::uint64_t offset = lowest_maybe_free_; offset + 1 < size_; ++offset) {
    if (held_.contains(offset)) {
      continue;
    }
    const TunnelAddresses addresses = At(offset);
    if (!IsReserved(addresses.v4) && !IsReserved(addresses.v6)) {
      return addresses;
    }
  }
  std::string ranges;
  for (const IpPrefix& range : network_.ranges()) {
    ranges += (ranges.empty() ? "" : " and ") + range.ToString();
  }
  return Refusal(
      absl::StatusCode::kResourceExhausted, kAddressesExhausted,
      fmt::format("every address of {} is in use: delete peers or nodes that are gone", ranges));
}

bool AddressPool::Hold(const TunnelAddresses& addresses) {
  const auto offset = OffsetOf(addresses);
  if (!offset || !held_.insert(*offset).second) {
    return false;
  }
  while (held_.contains(lowest_maybe_free_)) {
    ++lowest_maybe_free_;
  }
  return true;
}

void AddressPool::Release(const TunnelAddresses& addresses) {
  const auto offset = OffsetOf(addresses);
  if (offset && held_.erase(*offset) == 1) {
    lowest_maybe_free_ = std::min(lowest_maybe_free_, std::max<std::uint64_t>(*offset, 1));
  }
}

}  // namespace adit::model
