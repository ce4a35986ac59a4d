#include <algorithm>
#include <array>

#include "dataplane/host/masquerade.h"

namespace adit::host {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

IpAddress FromBytes(const Bytes& bytes, IpFamily family) {
  return family == IpFamily::kV4 ? IpAddress::V4(bytes.data()) : IpAddress::V6(bytes.data());
}

Bytes BytesOf(const IpAddress& address) {
  Bytes bytes{};
  std::copy(address.bytes().begin(), address.bytes().end(), bytes.begin());
  return bytes;
}

IpAddress LastOf(const IpPrefix& prefix) {
  Bytes bytes = BytesOf(prefix.address());
  for (unsigned bit = prefix.length(); bit < prefix.address().bit_count(); ++bit) {
    bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> (bit % 8));
  }
  return FromBytes(bytes, prefix.family());
}

// One more (step 1) or one less (step 255), with carry; wraps around at the ends.
IpAddress Neighbour(const IpAddress& address, std::uint8_t step) {
  Bytes bytes = BytesOf(address);
  const std::uint8_t carries_to = step == 1 ? 0 : 255;
  for (std::size_t i = address.bytes().size(); i-- > 0;) {
    bytes[i] = static_cast<std::uint8_t>(bytes[i] + step);
    if (bytes[i] != carries_to) {
      break;
    }
  }
  return FromBytes(bytes, address.family());
}
IpAddress After(const IpAddress& address) { return Neighbour(address, 1); }
IpAddress Before(const IpAddress& address) { return Neighbour(address, 255); }

// Walks the prefixes in order of their first address, outer before inner. Prefixes nest or are
// disjoint, so the ones open at an address form a stack whose top is the most specific.
class RangeWalk {
 public:
  void Open(const ServedPrefix& served) {
    CloseAllBefore(served.prefix.address());
    if (!open_.empty() && open_.back().nat && position_ < served.prefix.address()) {
      Add(position_, Before(served.prefix.address()));
    }
    position_ = served.prefix.address();
    open_.push_back({LastOf(served.prefix), served.nat});
  }

  std::vector<AddressRange> Finish() {
    while (!open_.empty()) {
      CloseTop();
    }
    return std::move(ranges_);
  }

 private:
  struct OpenPrefix {
    IpAddress last;
    bool nat;
  };

  void CloseAllBefore(const IpAddress& address) {
    while (!open_.empty() && open_.back().last < address) {
      CloseTop();
    }
  }

  void CloseTop() {
    const OpenPrefix top = open_.back();
    open_.pop_back();
    // position_ is past the end when an inner prefix ended with this one.
    if (is_at_end_ || top.last < position_) {
      return;
    }
    if (top.nat) {
      Add(position_, top.last);
    }
    position_ = After(top.last);
    is_at_end_ = position_ < top.last;
  }

  void Add(const IpAddress& first, const IpAddress& last) {
    if (!ranges_.empty() && After(ranges_.back().second) == first) {
      ranges_.back().second = last;
    } else {
      ranges_.emplace_back(first, last);
    }
  }

  std::vector<AddressRange> ranges_;
  std::vector<OpenPrefix> open_;
  IpAddress position_;
  bool is_at_end_ = false;  // the last address of the family is dealt with
};

}  // namespace

std::vector<AddressRange> MasqueradedRanges(const std::vector<ServedPrefix>& served,
                                            IpFamily family) {
  std::vector<ServedPrefix> sorted;
  for (const ServedPrefix& one : served) {
    if (one.prefix.family() == family) {
      sorted.push_back(one);
    }
  }
  // Of a prefix given twice the one with NAT comes first, and stays.
  std::sort(sorted.begin(), sorted.end(), [](const ServedPrefix& a, const ServedPrefix& b) {
    return a.prefix != b.prefix ? a.prefix < b.prefix : a.nat > b.nat;
  });
  const auto is_same = [](const ServedPrefix& a, const ServedPrefix& b) {
    return a.prefix == b.prefix;
  };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), is_same), sorted.end());
  RangeWalk walk;
  for (const ServedPrefix& one : sorted) {
    walk.Open(one);
  }
  return walk.Finish();
}

}  // namespace adit::host
