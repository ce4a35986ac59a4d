#pragma once

namespace adit::app {

// `adit-dataplane run`: the data plane that a control plane steers. argv is as main got it, without
// the word "run". Returns the exit code: 0 after SIGTERM or SIGINT, 1 when it could not start (said
// on standard error), 2 for a usage error.
//
// Call from the main thread before any other thread exists: it drops privileges.
int RunMain(int argc, const char* const* argv);

}  // namespace adit::app
