// Requests of the text protocol: any bytes, in any pieces, are read alike and answered by whole
// lines; what is accepted is bounded and can be applied.
#include <algorithm>

#include "common/log.h"
#include "dataplane/uapi/service.h"
#include "tests/dataplane/uapi/fake_device.h"
#include "tests/fuzz/fuzz_target.h"

namespace adit::fuzz {
namespace {

using uapi::Operation;
using uapi::RequestParser;

struct ReadRequest {
  Operation operation = Operation::kNone;
  int error = 0;
  std::string error_text;
  uapi::SetRequest set;
  std::string answer;
};

// All requests of the stream, in pieces of the given size.
std::vector<ReadRequest> ReadAll(std::string_view text, std::size_t piece) {
  std::vector<ReadRequest> requests;
  RequestParser parser([](const std::string& name) { return name == "eth0" ? 3U : 0U; });
  uapi::FakeDevice device;
  uapi::Service service(device, {});
  const auto take = [&] {
    ReadRequest& request = requests.emplace_back();
    request.operation = parser.operation();
    request.error = parser.error().error;
    request.error_text = parser.error().text;
    if (request.error == 0) {
      request.set = parser.set_request();
    }
    const uapi::SecretText answer = service.Answer(parser, 0);
    request.answer = std::string(answer.view());
    parser.Reset();
  };
  while (!text.empty()) {
    const std::size_t taken = parser.Consume(text.substr(0, piece));
    Require(taken <= std::min(piece, text.size()), "no more than was given");
    Require(taken > 0 || parser.is_complete(), "it goes on");
    text.remove_prefix(taken);
    if (parser.is_complete()) {
      take();
    }
  }
  parser.HandleEnd();
  if (parser.is_complete()) {
    take();
  }
  return requests;
}

bool AreAlike(const ReadRequest& a, const ReadRequest& b) {
  const auto peers_equal = [](const engine::PeerPatch& x, const engine::PeerPatch& y) {
    return x.public_key == y.public_key && x.remove == y.remove && x.update_only == y.update_only &&
           x.endpoint == y.endpoint && x.preshared_key.has_value() == y.preshared_key.has_value() &&
           x.persistent_keepalive == y.persistent_keepalive &&
           x.replace_allowed_ips == y.replace_allowed_ips && x.allowed_ips == y.allowed_ips &&
           x.removed_allowed_ips == y.removed_allowed_ips;
  };
  return a.operation == b.operation && a.error == b.error && a.error_text == b.error_text &&
         a.answer == b.answer && a.set.listen_port == b.set.listen_port &&
         a.set.firewall_mark == b.set.firewall_mark && a.set.replace_peers == b.set.replace_peers &&
         a.set.private_key.has_value() == b.set.private_key.has_value() &&
         std::ranges::equal(a.set.peers, b.set.peers, peers_equal);
}

void FuzzUapiText(Input input) {
  (void)SetLogLevel("off");  // every refusal is a line
  const std::size_t piece = 1 + input.Byte() % 70;
  const std::vector<std::uint8_t> bytes = input.Copy(input.size());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::vector<ReadRequest> whole = ReadAll(text, SIZE_MAX);
  const std::vector<ReadRequest> pieces = ReadAll(text, piece);
  Require(std::ranges::equal(whole, pieces, AreAlike), "pieces are read as the whole");
  for (const ReadRequest& request : whole) {
    Require(request.answer.ends_with("\n\n"), "an answer ends in an empty line");
    Require(request.error == 0 || request.answer.starts_with("errno="), "it says the errno");
  }
}

ADIT_FUZZ_TARGET(uapi_text, FuzzUapiText)

}  // namespace
}  // namespace adit::fuzz
