#!/usr/bin/env python3
"""runc, with capabilities handed over the way the engine whose name this is called by does.

For a process whose user is not 0:
  docker       bounding set only: the rest comes with the program's file, if no_new_privs is not set
  kubernetes   permitted and effective besides (containerd, CRI-O): enough for the file to keep them
               under no_new_privs
  podman       ambient besides (what podman itself says)
"""
import json
import os
import pathlib
import sys

KEPT = {"docker": ["bounding"], "kubernetes": ["bounding", "permitted", "effective"]}


def adapt(config):
    process = config["process"]
    engine = pathlib.Path(sys.argv[0]).name
    if process["user"]["uid"] != 0 and engine in KEPT:
        given = process["capabilities"].get("bounding", [])
        process["capabilities"] = {kind: given for kind in KEPT[engine]}
    for device in config["linux"].get("devices", []):
        if device["path"] == "/dev/net/tun":
            device["fileMode"] = 0o666  # udev's, on a host that has it


arguments = sys.argv[1:]
if "create" in arguments:
    path = pathlib.Path(arguments[arguments.index("--bundle") + 1]) / "config.json"
    config = json.loads(path.read_text())
    adapt(config)
    path.write_text(json.dumps(config))
os.execvp("runc", ["runc", *arguments])
