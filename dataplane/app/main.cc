// adit-dataplane: one program, two modes. adit-wireguard is a link to it.
#include <string_view>
#include <vector>

#include "dataplane/app/run.h"
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
  // The word that names the mode goes; the rest is the mode's. `run` may be left out.
  std::vector<const char*> arguments(argv, argv + argc);
  const std::string_view mode = argc > 1 ? std::string_view(argv[1]) : std::string_view();
  if (mode == "standalone" || mode == "run") {
    arguments.erase(arguments.begin() + 1);
  }
  const int count = static_cast<int>(arguments.size());
  return mode == "standalone" ? adit::app::StandaloneMain(count, arguments.data())
                              : adit::app::RunMain(count, arguments.data());
}
