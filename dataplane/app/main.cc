// adit-dataplane: one program, two modes. adit-wireguard is a link to it.
#include <cstdio>
#include <string_view>
#include <vector>

#include "dataplane/app/standalone.h"

namespace {

std::string_view BaseName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 0 && BaseName(argv[0]) == "adit-wireguard") {
    return adit::app::StandaloneMain(argc, argv);
  }
  // The word that names the mode goes; the rest is the mode's.
  std::vector<const char*> arguments(argv, argv + argc);
  if (argc > 1 && std::string_view(argv[1]) == "standalone") {
    arguments.erase(arguments.begin() + 1);
    return adit::app::StandaloneMain(static_cast<int>(arguments.size()), arguments.data());
  }
  std::fputs("adit-dataplane: give the mode: standalone IFNAME\n", stderr);
  return 2;
}
