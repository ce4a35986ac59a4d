"""A podman of the tests' own: its images, containers, volumes and networks are nobody else's.

Images are built in build/containers, which keeps a debian:12-slim made with mmdebstrap from the
mirror that apt uses (there may be no registry), and the stages that only install packages; `rm -rf
build/containers` makes them afresh. Everything else is in the test's own directory: podman reads
the images from there and writes nothing to it (it would remember paths of this test's directory).
"""
import os
import pathlib
import resource
import subprocess

from lab import BIN, Failure

STORE = BIN.parent / "containers"
BASE = "docker.io/library/debian:12-slim"
# How the engines hand capabilities to a process: see container_runtime.py.
ENGINES = ("docker", "kubernetes", "podman")


class Podman:
    def __init__(self, lab, compose):
        self.lab, self.compose = lab, compose
        self.directory = lab.dir / "podman"
        self.directory.mkdir()
        STORE.mkdir(exist_ok=True)
        for engine in ENGINES:
            (self.directory / engine).symlink_to(
                pathlib.Path(__file__).resolve().parent / "container_runtime.py")
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1] % 2**63, 4096)
        engines = "\n".join(f'{name} = ["{self.directory}/{name}"]' for name in ENGINES)
        # crun knows no cgroups of two versions side by side; without systemd there is no journal.
        self._write("containers.conf", f"""
            [containers]
            default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
            log_driver = "k8s-file"
            [engine]
            runtime = "podman"
            cgroup_manager = "cgroupfs"
            events_logger = "none"
            tmp_dir = "{self.directory}/tmp"
            [engine.runtimes]
            {engines}
            [network]
            network_backend = "netavark"
            network_config_dir = "{self.directory}/networks"
            """)
        self._write("build.conf", f"""
            [storage]
            driver = "overlay"
            graphroot = "{STORE}"
            runroot = "{self.directory}/build"
            """)
        self._write("storage.conf", f"""
            [storage]
            driver = "overlay"
            graphroot = "{self.directory}/graph"
            runroot = "{self.directory}/run"
            [storage.options]
            additionalimagestores = ["{STORE}"]
            """)
        self.environment = {**os.environ, "CONTAINERS_CONF": f"{self.directory}/containers.conf",
                            "CONTAINERS_STORAGE_CONF": f"{self.directory}/storage.conf"}

    def _write(self, name, text):
        lines = [line.strip() for line in text.splitlines()]
        (self.directory / name).write_text("\n".join(lines) + "\n")

    def __call__(self, *argv, check=True, host=None, timeout=60):
        """Runs podman; `host` is whose network it uses, as the machine it runs on."""
        result = subprocess.run([*inside(host), "podman", *map(str, argv)], capture_output=True,
                                text=True, timeout=timeout, env=self.environment)
        if check and result.returncode != 0:
            raise Failure(f"podman {' '.join(map(str, argv))}: exit {result.returncode}\n"
                          f"{result.stdout}{result.stderr}")
        return result

    def start(self, host, name, *argv):
        """`podman run` in the foreground: output is the log, signals and exit status pass."""
        command = [*inside(host), "podman", *map(str, argv)]
        return self.lab._start(name, command, None, True, env=self.environment)

    def pid(self, container):
        return int(self("inspect", "--format", "{{.State.Pid}}", container).stdout)

    # --- images
    def _buildah(self, *argv, check=True, input=None, timeout=300):
        environment = {**self.environment, "CONTAINERS_STORAGE_CONF": f"{self.directory}/build.conf"}
        result = subprocess.run(["buildah", *map(str, argv)], capture_output=True, text=True,
                                timeout=timeout, env=environment, input=input)
        if check and result.returncode != 0:
            raise Failure(f"buildah {' '.join(map(str, argv))}: exit {result.returncode}\n"
                          f"{result.stdout[-3000:]}{result.stderr[-3000:]}")
        return result

    def _build(self, tag, *arguments, **kwargs):
        self._buildah("bud", "--layers", "--isolation", "chroot", "--pull=never", "--format",
                      "docker", "--tag", tag, *arguments, **kwargs)

    def build(self):
        """Both images, as compose.yaml says, from the programs in ADIT_BIN."""
        if self._buildah("inspect", "--type", "image", BASE, check=False).returncode != 0:
            self._make_base()
        # Named, so that removing the images leaves them as a cache.
        for stage in ("runtime", "setcap"):
            self._build(f"stage-{stage}", "--target", stage, *self.compose.build_arguments("dataplane"))
        for service in self.compose.services:
            self._build(self.compose.image(service), "--build-context", f"binaries={BIN}",
                        *self.compose.build_arguments(service))

    def _make_base(self):
        fields = subprocess.run(
            ["apt-get", "indextargets", "--format",
             "$(ORIGIN) $(COMPONENT) deb $(REPO_URI) $(RELEASE) main", "Identifier: Packages"],
            capture_output=True, text=True, check=True).stdout
        debian = "Debian main "
        mirrors = {line.removeprefix(debian) for line in fields.splitlines()
                   if line.startswith(debian) and " bookworm" in line}
        tar = self.directory / "base.tar"
        result = subprocess.run(
            ["mmdebstrap", "--variant=minbase", "bookworm", tar, *sorted(mirrors)],
            capture_output=True, text=True, timeout=500)
        if result.returncode != 0:
            raise Failure(f"mmdebstrap: exit {result.returncode}\n{result.stderr[-3000:]}")
        self._build(BASE, "--file", "-", self.directory, input="FROM scratch\nADD base.tar /\n")
        tar.unlink()

    # --- the end
    def clean(self):
        """Removes everything but the cache; returns what is there all the same."""
        self("rm", "--all", "--force", "--time", "0", check=False)
        self("volume", "rm", "--all", "--force", check=False)
        images = [self.compose.image(service) for service in self.compose.services]
        self._buildah("rmi", "--force", *images, check=False)
        self._buildah("rmi", "--prune", check=False)
        left = [self("ps", "--all", "--quiet"), self("volume", "ls", "--quiet"),
                *(self._buildah("images", "--quiet", image, check=False) for image in images)]
        return "".join(result.stdout for result in left)


def inside(host):
    # `ip netns exec` would give each command a mount namespace of its own, and podman's mounts
    # would be seen by the command that made them only.
    return ["nsenter", f"--net=/run/netns/{host.ns}"] if host else []
