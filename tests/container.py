"""A rehearsal of the container image on a machine that has no container engine.

The Dockerfile is read and each of its steps is done in a root of its own: a folder with this
machine's ``/usr``, a Python in ``/usr/local`` and nothing else of the project. It is then run as
its own user on a file system that it cannot write to. Needs root and Linux (``unshare``).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

#: One instruction with its arguments; a line that ends with a backslash goes on.
INSTRUCTION = re.compile(r"^([A-Z]+)\s+((?:.*\\\n)*.*)$", re.MULTILINE)
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """What a Dockerfile says, in order: ``[("FROM", "python:3.11 AS build"), ...]``."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    return [
        (name, re.sub(r"\\\n\s*", "", rest).strip()) for name, rest in INSTRUCTION.findall(text)
    ]


@dataclass
class Stage:
    """A root folder, and how processes in it are started."""

    root: Path
    workdir: str = "/"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SEARCHED})
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("usr", "proc", "dev", "tmp"):
            (self.root / name).mkdir(parents=True)
        for name, target in LINKS.items():
            (self.root / name).symlink_to(target)
        shutil.copytree("/etc", self.root / "etc", symlinks=True, ignore_dangling_symlinks=True)
        self.run("ldconfig")

    def run(self, script: str) -> None:
        """A step of the build: as root, on a root that can be written to."""
        network = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        done = subprocess.run(
            self._enter(["/bin/sh", "-c", script], "0:0", read_only=False),
            env=self.environment | network,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"RUN {script}\n{done.stdout}{done.stderr}"

    def start(
        self, command: list[str], environment: dict[str, str], **options: object
    ) -> subprocess.Popen:
        """A process as the image runs it: its user, its folder, a root that is read-only."""
        return subprocess.Popen(
            self._enter(command, self.user, read_only=True),
            env=self.environment | environment,
            **options,  # type: ignore[call-overload]
        )

    def _enter(self, command: list[str], user: str, *, read_only: bool) -> list[str]:
        root = shlex.quote(str(self.root))
        mounts = [
            f"mount --bind {root} {root}",
            f"mount --bind -o ro /usr {root}/usr",
            f"mount --bind -o ro {shlex.quote(sys.base_prefix)} {root}/usr/local",
            f"mount --rbind /dev {root}/dev",
            f"mount -t proc proc {root}/proc",
        ]
        if read_only:
            mounts += [
                *(f"mount --bind {root}{name} {root}{name}" for name in self.volumes),
                f"mount -t tmpfs tmpfs {root}/tmp",
                f"mount -o remount,bind,ro {root}",
            ]
        # exec: the signals that a test sends reach the process, as those of an engine do
        enter = f"cd {root}{self.workdir} && exec chroot --userspec={user} {root} "
        inside = f"/bin/sh -c 'cd {self.workdir} && exec \"$@\"' -"
        script = " && ".join(mounts) + f" && {enter}{inside} {shlex.join(command)}"
        return ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script]


def build(project: Path, dockerfile: Path, folder: Path) -> Stage:
    """Do what the Dockerfile says; returns its last stage. Fails at an unknown instruction."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in instructions(dockerfile):
        if name == "ARG":
            continue
        if name == "FROM":
            label = rest.partition(" AS ")[2] or "final"
            stage = stages[label] = Stage(folder / label)
            continue
        assert stage is not None
        match name:
            case "RUN":
                stage.run(f"cd {stage.workdir} && {rest}")
            case "COPY":
                _copy(project, stages, stage, rest.split())
            case "WORKDIR":
                stage.workdir = rest
                (stage.root / rest.lstrip("/")).mkdir(exist_ok=True)
            case "ENV":
                for pair in shlex.split(rest):
                    variable, _, value = pair.partition("=")
                    stage.environment[variable] = value.replace("$PATH", stage.environment["PATH"])
            case "USER":
                stage.user = rest
            case "VOLUME":
                stage.volumes.append(rest)
            case "ENTRYPOINT":
                stage.entrypoint = json.loads(rest)
            case "CMD":
                stage.command = json.loads(rest)
            case "HEALTHCHECK":
                stage.healthcheck = json.loads(rest.partition("CMD ")[2])
            case "EXPOSE":
                pass
            case _:
                raise AssertionError(f"{name} is not rehearsed")
    assert stage is not None
    return stage


def _copy(project: Path, stages: dict[str, Stage], stage: Stage, words: list[str]) -> None:
    *sources, target = words
    destination = stage.root / (stage.workdir + "/" + target if target[0] != "/" else target)[1:]
    if sources[0].startswith("--from="):
        source = stages[sources[0].removeprefix("--from=")].root / sources[1].lstrip("/")
        shutil.copytree(source, destination, symlinks=True)
        return
    sent = {line[1:] for line in (project / ".dockerignore").read_text().split() if line[0] == "!"}
    for name in sources:
        assert name in sent, f".dockerignore keeps {name} from the builder"
        if (project / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(project / name, destination, ignore=unwanted)
        else:
            shutil.copy(project / name, destination / name if target.endswith("/") else destination)
