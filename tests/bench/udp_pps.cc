// The highest rate of UDP datagrams that a path between two network namespaces carries with less
// than a given loss. One process, two threads: this one sends from the first namespace, the other
// counts in the second. Each datagram carries the number of its trial, so that what an earlier,
// too fast one left in queues is not counted.
//
//   adit_udp_pps FROM_NETNS TO_NETNS ADDRESS [BYTES=1200] [SECONDS=1] [LOSS=0.01]
//
// Prints "DATAGRAMS_PER_SECOND LOSS path|sender" of the best trial; each trial on standard error.
// sender: it could not offer more, and what the path carries is at least that. A rate counts as too
// fast when two trials say so, since on a shared machine one may be a neighbour's doing.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "common/unique_fd.h"

namespace adit {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::uint16_t kPort = 9999;  // in namespaces of our own
constexpr int kSocketBuffer = 4 << 20;

[[noreturn]] void Die(const std::string& what) {
  fmt::print(stderr, "adit_udp_pps: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

// Only this thread moves.
void EnterNamespace(const std::string& name) {
  const UniqueFd fd(open(("/var/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open() || setns(fd.get(), CLONE_NEWNET) != 0) {
    Die("enter namespace " + name);
  }
}

UniqueFd UdpSocket(const Endpoint& endpoint, bool is_receiver) {
  sockaddr_storage address{};
  const socklen_t length = endpoint.ToSockaddr(address);
  UniqueFd fd(socket(endpoint.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (!fd.is_open() ||
      (is_receiver ? bind(fd.get(), generic, length) : connect(fd.get(), generic, length)) != 0) {
    Die(endpoint.ToString());
  }
  setsockopt(fd.get(), SOL_SOCKET, is_receiver ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, &kSocketBuffer,
             sizeof kSocketBuffer);
  return fd;
}

// An array of equal messages for sendmmsg and recvmmsg.
template <std::size_t kCount>
class Messages {
 public:
  explicit Messages(std::size_t size) : bytes_(kCount * size) {
    for (std::size_t i = 0; i < kCount; ++i) {
      vectors_[i] = {bytes_.data() + i * size, size};
      headers_[i].msg_hdr.msg_iov = &vectors_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  [[nodiscard]] mmsghdr* headers() { return headers_.data(); }
  [[nodiscard]] std::uint8_t* bytes_of(std::size_t i) {
    return static_cast<std::uint8_t*>(vectors_[i].iov_base);
  }
  static constexpr unsigned kSize = kCount;

 private:
  std::vector<std::uint8_t> bytes_;
  std::array<iovec, kCount> vectors_{};
  std::array<mmsghdr, kCount> headers_{};
};

// Counts what arrives of the current trial.
class Receiver {
 public:
  Receiver(const std::string& netns, const Endpoint& local)
      : thread_([this, netns, local] { Run(netns, local); }) {
    is_ready_.wait(false);
  }
  ~Receiver() {
    is_stopping_ = true;
    thread_.join();
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  void StartTrial(std::uint32_t trial) {
    trial_ = trial;
    count_ = 0;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  void Run(const std::string& netns, const Endpoint& local) {
    EnterNamespace(netns);
    const UniqueFd fd = UdpSocket(local, true);
    constexpr timeval kPatience{.tv_sec = 0, .tv_usec = 50'000};  // to see is_stopping_
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    Messages<64> messages(2048);
    is_ready_ = true;
    is_ready_.notify_all();
    while (!is_stopping_) {
      const int got =
          recvmmsg(fd.get(), messages.headers(), messages.kSize, MSG_WAITFORONE, nullptr);
      std::uint64_t counted = 0;
      for (int i = 0; i < got; ++i) {
        counted += LoadLe32(messages.bytes_of(static_cast<std::size_t>(i))) == trial_ ? 1U : 0U;
      }
      count_ += counted;
    }
  }

  std::atomic<bool> is_ready_{false};
  std::atomic<bool> is_stopping_{false};
  std::atomic<std::uint32_t> trial_{0};
  std::atomic<std::uint64_t> count_{0};
  std::thread thread_;  // last: it uses the others
};

struct Trial {
  double offered = 0;  // datagrams a second
  double delivered = 0;
  double loss = 1;
};

class Search {
 public:
  Search(Receiver& receiver, const Endpoint& remote, std::size_t bytes, double trial_seconds,
         double largest_loss)
      : receiver_(receiver),
        fd_(UdpSocket(remote, false)),
        messages_(bytes),
        trial_length_(trial_seconds),
        largest_loss_(largest_loss) {}

  [[nodiscard]] bool is_sender_bound() const { return is_sender_bound_; }

  // Doubles the rate until it is too fast, then halves the interval (by ratio) down to 4 %.
  Trial Run() {
    Try(20'000);  // handshakes and caches
    best_ = Trial();
    double good = 0;
    double rate = 10'000;
    while (rate < 20e6 && IsCarried(rate)) {
      good = rate;
      rate *= 2;
    }
    good = good == 0 ? 1'000 : good;
    for (double bad = rate; bad / good > 1.04;) {
      const double middle = std::sqrt(good * bad);
      (IsCarried(middle) ? good : bad) = middle;
    }
    return best_;
  }

 private:
  bool IsCarried(double rate) { return IsCarriedNow(rate) || IsCarriedNow(rate); }

  bool IsCarriedNow(double rate) {
    const Trial trial = Try(rate);
    const bool is_lossless = trial.loss <= largest_loss_;
    if (is_lossless && trial.delivered > best_.delivered) {
      best_ = trial;
    }
    const bool is_offered = trial.offered >= 0.97 * rate;
    if (!is_lossless || !is_offered) {
      // The last refusal is the nearest to the limit that was found.
      is_sender_bound_ = is_lossless;
    }
    return is_lossless && is_offered;
  }

  Trial Try(double rate) {
    receiver_.StartTrial(++number_);
    for (std::size_t i = 0; i < messages_.kSize; ++i) {
      StoreLe32(messages_.bytes_of(i), number_);
    }
    std::uint64_t sent = 0;
    const auto began = SteadyClock::now();
    auto wake = began;
    Seconds elapsed{0};
    while (elapsed < trial_length_) {
      wake += std::chrono::microseconds(250);
      std::this_thread::sleep_until(wake);
      elapsed = SteadyClock::now() - began;
      const auto due = static_cast<std::uint64_t>(elapsed.count() * rate);
      while (sent < due && elapsed < trial_length_) {
        sent += SendSome(due - sent);
        elapsed = SteadyClock::now() - began;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(150));  // what is under way arrives
    const auto got = static_cast<double>(receiver_.count());
    const auto all = static_cast<double>(sent);
    const Trial trial{.offered = all / elapsed.count(),
                      .delivered = got / elapsed.count(),
                      .loss = sent == 0 ? 1 : 1 - got / all};
    fmt::print(stderr, "  asked {:.0f}/s, offered {:.0f}/s, delivered {:.0f}/s, lost {:.2f} %\n",
               rate, trial.offered, trial.delivered, trial.loss * 100);
    return trial;
  }

  std::uint64_t SendSome(std::uint64_t at_most) {
    const auto count = static_cast<unsigned>(std::min<std::uint64_t>(at_most, messages_.kSize));
    const int accepted = sendmmsg(fd_.get(), messages_.headers(), count, 0);
    if (accepted < 0 && errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED) {
      Die("send");
    }
    return accepted > 0 ? static_cast<std::uint64_t>(accepted) : 0;
  }

  Receiver& receiver_;
  const UniqueFd fd_;
  Messages<32> messages_;
  const Seconds trial_length_;
  const double largest_loss_;
  std::uint32_t number_ = 0;
  bool is_sender_bound_ = false;
  Trial best_;
};

}  // namespace
}  // namespace adit

int main(int argc, char** argv) {
  const auto address = adit::IpAddress::Parse(argc > 3 ? argv[3] : "");
  const int bytes = argc > 4 ? std::atoi(argv[4]) : 1200;
  const double seconds = argc > 5 ? std::atof(argv[5]) : 1;
  const double loss = argc > 6 ? std::atof(argv[6]) : 0.01;
  if (!address || bytes < 4 || bytes > 2048 || seconds <= 0 || loss <= 0 || loss >= 1) {
    fmt::print(stderr,
               "usage: adit_udp_pps FROM_NETNS TO_NETNS ADDRESS [BYTES=1200, 4 to 2048] "
               "[SECONDS=1] [LOSS=0.01]\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1);  // ns; the pace is 250 us
  const adit::Endpoint endpoint{.address = *address, .port = adit::kPort};
  adit::Receiver receiver(argv[2], endpoint);
  adit::EnterNamespace(argv[1]);
  adit::Search search(receiver, endpoint, static_cast<std::size_t>(bytes), seconds, loss);
  const adit::Trial best = search.Run();
  fmt::print("{:.0f} {:.4f} {}\n", best.delivered, best.loss,
             search.is_sender_bound() ? "sender" : "path");
  return 0;
}
