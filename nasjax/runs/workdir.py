"""A run's directory: one process at a time, one config, and what made it."""

import fcntl
import json
import logging
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

import jax

import nasjax
from nasjax.errors import UserError
from nasjax.files import read_json, write_json

# Keys that may change when a run goes on: they do not change its results so far.
ADJUSTABLE = (
    "search.rounds",
    "search.max_queries",
    "search.max_seconds",
    "search.stop_at",
    "search.checkpoints_kept",
    "evaluator.workers",
    "profile.repeats",
    "study.seeds",
    "study.seeds_per_part",
    "study.memory_budget_gib",
    "study.reference",
)
# Keys of these that may not change once the test split was read: it is read once per run.
BUDGET = ("search.rounds", "search.max_queries", "search.max_seconds", "search.stop_at")
FINAL_TEST = "final_test.json"
ENVIRONMENT, VERSIONS = "environment.json", "versions.json"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Workdir:
    """Opens a run's directory, new or to go on, and locks it until `close`.

    Args:
      path: the directory; made if it is missing.
      config: every setting that decides the run's results, plain data.
      flag: the command-line flag that named the directory, for messages.
      facts: all else that decides them beside `environment()`, e.g. the digest of the data.

    Raises:
      UserError: it cannot be written, another process uses it, or it holds a run with another
        config, or made with other data or versions.
    """

    def __init__(
        self,
        path: pathlib.Path,
        config: Mapping[str, Any],
        flag: str = "workdir",
        facts: Mapping[str, Any] = MappingProxyType({}),
    ):
        self.path, self._flag, self._name = path, f"--{flag}", f"--{flag}={path}"
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Not truncated, and no link is followed: it may be another's file.
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            self._lock = os.fdopen(lock, "r+")
        except OSError as error:
            raise UserError(f"cannot write to {self._name}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise UserError(
                f"another process is running in {self._name}; wait for it or choose another"
            ) from error
        self.is_new = not (path / "config.json").exists()
        if not self.is_new:
            self._check_config(config)
        self._keep_environment({**environment(), **facts})
        write_json(path / "config.json", config)
        started = {**versions(), "time": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_json(path / VERSIONS, {**started, "starts": [*self._starts(), started]})

    def close(self) -> None:
        """Unlocks the directory."""
        self._lock.close()

    def _keep_environment(self, now: Mapping[str, Any]) -> None:
        """Refuses a run made with other data or versions; one that kept none is taken as it is."""
        path = self.path / ENVIRONMENT
        try:
            kept = read_json(path) if path.exists() else {}
        except UserError:
            self.close()
            raise
        if not kept and not self.is_new:
            taken = "it is taken as if made with today's data and versions"
            logging.warning("%s was made before nasjax kept %s: %s", self.path, ENVIRONMENT, taken)
        for name in sorted(kept.keys() & now.keys()):
            if kept[name] != now[name]:
                self.close()
                raise UserError(
                    f"{self._name} was begun with {name}={_short(kept[name])}, now it is "
                    f"{_short(now[name])}, and numbers of both would stand side by side; go back "
                    f"to the first, or choose another {self._flag}"
                )
        write_json(path, {**now, **kept})

    def _starts(self) -> list[Any]:
        """The versions of all starts before this one."""
        path = self.path / VERSIONS
        try:
            kept = read_json(path) if path.exists() else {}
        except UserError:  # for people only
            return []
        starts = kept.get("starts")
        return starts if isinstance(starts, list) else [kept] if kept else []

    def _check_config(self, config: Mapping[str, Any]) -> None:
        try:
            kept = read_json(self.path / "config.json")
        except UserError as error:
            self.close()
            raise UserError(
                f"{self.path / 'config.json'} cannot be read or is damaged; move it away if the "
                f"run's config is still this one, or choose another {self._flag}"
            ) from error
        before, now = _flat(kept), _flat(json.loads(json.dumps(config)))
        tested = (self.path / FINAL_TEST).exists()
        fixed = [key for key in before | now if key not in ADJUSTABLE or (tested and key in BUDGET)]
        for key in sorted(fixed):
            if before.get(key) != now.get(key):
                self.close()
                run = "a run, finished and tested," if tested else "a run"
                raise UserError(
                    f"{self._name} holds {run} with config.{key}={before.get(key)!r}, "
                    f"this one has {now.get(key)!r}; choose another {self._flag}"
                )


def environment() -> dict[str, Any]:
    """The versions and the platform, which decide the numbers of every run beside its config."""
    return {
        "jax": jax.__version__,
        "jaxlib": metadata.version("jaxlib"),
        "platform": jax.default_backend(),
        "device_kind": jax.devices()[0].device_kind,
        "precision": jax.config.values["jax_default_matmul_precision"],
        "x64": jax.config.values["jax_enable_x64"],
    }


def _short(value: Any) -> str:
    """A value in a message; of a digest its first 12 digits."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


def versions() -> dict[str, str]:
    """The versions, commit, machine and command that make a run."""
    return {
        "python": platform.python_version(),
        "nasjax": nasjax.__version__,
        **{name: metadata.version(name) for name in PACKAGES},
        "commit": commit(),
        "platform": platform.platform(),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "cores": str(os.cpu_count()),
        "command": " ".join([pathlib.Path(sys.executable).name, *sys.argv]),
    }


def commit() -> str:
    """The commit of this source tree, "+changes" if it was edited; "" outside a checkout."""
    root = pathlib.Path(nasjax.__file__).parent.parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{path}.{key}" if path else key)
    return flat
