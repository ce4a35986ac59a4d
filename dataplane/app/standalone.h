#pragma once

namespace adit::app {

// `adit-wireguard IFNAME`: a userspace WireGuard device without a control plane, driven through the
// UAPI socket. argv is as main got it, without the word "standalone". Goes to the background unless
// told otherwise, and returns the exit code: 0 when interface and socket exist (in the background),
// or after the device has ended (--foreground); 1 when it could not start (said on standard error);
// 2 for a usage error.
//
// Call from the main thread before any other thread exists: it forks and drops privileges.
int StandaloneMain(int argc, const char* const* argv);

}  // namespace adit::app
