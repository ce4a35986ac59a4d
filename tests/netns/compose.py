"""deploy/compose.yaml as `podman run` arguments, so that the file itself is what is tested.

Debian 12's podman-compose leaves out networks, sysctls and volumes' options without a word. This
does what the file says or fails: a key it does not know is a KeyError that names it.
"""
import os
import pathlib
import re
import resource

import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
FILE = TOP / "deploy/compose.yaml"

# How a service's keys become arguments. `image` comes last, `volumes` are named per test, and
# `build` is tests/netns/images.py's.
SERVICE_KEYS = {
    "image": lambda v: [],
    "build": lambda v: [],
    "pull_policy": lambda v: [],
    "volumes": lambda v: [],
    # The test starts and ends containers itself.
    "restart": lambda v: [],
    "user": lambda v: ["--user", v],
    "network_mode": lambda v: ["--network", v],
    "read_only": lambda v: ["--read-only", "--read-only-tmpfs=false"] if v else [],
    "cap_drop": lambda v: each("--cap-drop", v),
    "cap_add": lambda v: each("--cap-add", v),
    "security_opt": lambda v: each("--security-opt", v),
    "devices": lambda v: each("--device", v),
    "ports": lambda v: each("--publish", v),
    "sysctls": lambda v: each("--sysctl", [f"{key}={value}" for key, value in v.items()]),
    "ulimits": lambda v: each("--ulimit", [f"{key}={value}:{value}" for key, value in v.items()
                                           if may_have(key, value)]),
    "environment": lambda v: each("--env", [f"{key}={value}" for key, value in v.items()]),
}


def each(flag, values):
    return [argument for value in values for argument in (flag, value)]


def may_have(limit, value):
    """A machine without CAP_SYS_RESOURCE cannot go past its own hard limit."""
    hard = resource.getrlimit(getattr(resource, f"RLIMIT_{limit.upper()}"))[1]
    return hard == resource.RLIM_INFINITY or value <= hard


def interpolate(text, environment):
    """${NAME:-default} and ${NAME:?message}, which is all that the file uses."""
    def value_of(match):
        name, kind, rest = match.groups()
        value = environment.get(name)
        if not value and kind == "?":
            raise KeyError(f"{name}: {rest}")
        return value or rest
    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value_of, text)


class Compose:
    def __init__(self, project, environment):
        self.project = project
        self.content = yaml.safe_load(interpolate(FILE.read_text(), environment))
        self.services = self.content["services"]
        unknown = set(self.content) - {"name", "services", "volumes"}
        if unknown:
            raise KeyError(f"compose.yaml: {unknown}")

    def volume(self, name):
        return f"{self.project}_{name}"

    def create_volume_arguments(self):
        for name, options in self.content["volumes"].items():
            driver = dict((options or {}).get("driver_opts", {}))
            if set(options or {}) - {"driver_opts"}:
                raise KeyError(f"compose.yaml: volumes.{name}: {options}")
            yield each("--opt", [f"{key}={value}" for key, value in driver.items()]) + \
                [self.volume(name)]

    def run_arguments(self, name, without=()):
        """Of `podman run`, to the image's name; `without` leaves keys of the service out."""
        service = {key: value for key, value in self.services[name].items() if key not in without}
        arguments = [arg for key, value in service.items() for arg in SERVICE_KEYS[key](value)]
        for volume in service["volumes"]:
            source, target = volume.split(":", 1)
            self.content["volumes"][source]  # must be declared
            arguments += ["--volume", f"{self.volume(source)}:{target}"]
        if "network_mode" not in service:
            arguments += ["--network", self.project]
        return [*arguments, self.image(name)]

    def image(self, name):
        return self.services[name]["image"]

    def build_arguments(self, name):
        """Of a build, to the context."""
        build = self.services[name]["build"]
        context = os.path.normpath(FILE.parent / build["context"])
        return ["--file", f"{context}/{build['dockerfile']}", context]
