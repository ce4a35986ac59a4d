#include "dataplane/uapi/report_text.h"

#include <array>

#include <fmt/format.h>

namespace adit::uapi {
namespace {

void AppendKey(std::string_view name, std::span<const std::uint8_t, kKeySize> key,
               SecretText& out) {
  std::array<char, 2 * kKeySize> hex;
  EncodeKeyHex(key, hex);
  out.Append(name);
  out.Append("=");
  out.Append({hex.data(), hex.size()});
  out.Append("\n");
  crypto::Wipe({reinterpret_cast<std::uint8_t*>(hex.data()), hex.size()});
}

void AppendValue(std::string_view name, std::uint64_t value, SecretText& out) {
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line), "{}={}\n", name, value);
  out.Append({line.data(), line.size()});
}

void AppendPeer(const engine::PeerReport& peer, const ReportOptions& options, SecretText& out) {
  AppendKey("public_key", peer.public_key.bytes(), out);
  if (options.with_preshared_keys) {
    AppendKey("preshared_key", peer.preshared_key.bytes(), out);
  }
  AppendValue("protocol_version", 1, out);
  if (peer.endpoint) {
    out.Append(fmt::format("endpoint={}\n", peer.endpoint->ToString()));
  }
  const Duration handshake = peer.last_handshake.value_or(WallTime()).since_epoch();
  const auto whole = std::chrono::floor<seconds>(handshake);
  AppendValue("last_handshake_time_sec", static_cast<std::uint64_t>(whole.count()), out);
  AppendValue("last_handshake_time_nsec", static_cast<std::uint64_t>((handshake - whole).count()),
              out);
  AppendValue("tx_bytes", peer.sent_bytes, out);
  AppendValue("rx_bytes", peer.received_bytes, out);
  AppendValue("persistent_keepalive_interval", peer.persistent_keepalive, out);
  for (const IpPrefix& prefix : peer.allowed_ips) {
    out.Append(fmt::format("allowed_ip={}\n", prefix.ToString()));
  }
}

}  // namespace

SecretText WriteReport(const DeviceReport& report, const ReportOptions& options) {
  SecretText out;
  if (options.with_private_key && report.private_key) {
    AppendKey("private_key", report.private_key->bytes(), out);
  }
  if (options.with_own_public_key && !report.public_key.is_zero()) {
    AppendKey("own_public_key", report.public_key.bytes(), out);
  }
  if (report.listen_port != 0) {
    AppendValue("listen_port", report.listen_port, out);
  }
  if (report.firewall_mark != 0) {
    AppendValue("fwmark", report.firewall_mark, out);
  }
  for (const engine::PeerReport& peer : report.peers) {
    AppendPeer(peer, options, out);
  }
  return out;
}

void AppendErrno(int error, SecretText& out) { out.Append(fmt::format("errno={}\n\n", -error)); }

}  // namespace adit::uapi
