"""Checkpoints of a search (Orbax): atomic, the last few kept, a damaged one stepped over."""

import functools
import logging
import pathlib
import shutil
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from nasjax import files
from nasjax.errors import UserError


class Restored(NamedTuple):
    """A state, and the length in bytes of `events.jsonl` when it was saved."""

    state: Any
    position: int


class Checkpoints:
    """The checkpoints of one run.

    Args:
      directory: where they lie; made if it is missing.
      kept: the number of newest checkpoints that stay.
    """

    def __init__(self, directory: pathlib.Path, *, kept: int):
        self._directory = directory
        options = ocp.CheckpointManagerOptions(max_to_keep=kept, enable_async_checkpointing=False)
        make = functools.partial(ocp.CheckpointManager, directory.absolute(), options=options)
        try:
            self._manager = make()
        except RecursionError:  # a damaged one of the files that only have times
            for path in directory.glob("*/_CHECKPOINT_METADATA"):
                path.unlink()
            self._manager = make()
        except OSError as error:
            raise UserError(f"cannot use {directory} for checkpoints: {error}") from error

    def save(self, step: int, state: Any, position: int) -> None:
        """Writes a checkpoint: a pytree, and the bytes of `events.jsonl` that belong to it.

        Args:
          step: higher than of any checkpoint before.

        Raises:
          UserError: it cannot be written; the checkpoints before stay as they are.
        """
        state = jax.device_get(state)
        about = {"position": position, "digest": digest(state)}
        about["seal"] = files.digest_of_json(about)
        saved = ocp.args.Composite(
            state=ocp.args.StandardSave(state), about=ocp.args.JsonSave(about)
        )
        try:
            self._check_room(state)
            self._manager.save(step, args=saved, force=True)
        except Exception as error:  # tensorstore wraps the system's errors in several types
            path, line = self._directory / str(step), _line(error, 300)
            remedy = "make room, the same command goes on from the checkpoint before"
            raise UserError(f"cannot write checkpoint {path}: {line}; {remedy}") from error

    def restore(self, like: Any, *, at_most: int) -> Restored | None:
        """Reads the newest checkpoint that can be used; None if there is no checkpoint at all.

        Newer checkpoints that cannot be used are deleted: the next rounds take their numbers.

        Args:
          like: a state of the same structure and shapes.
          at_most: bytes of `events.jsonl` on disk; a checkpoint whose position is beyond it is
            stepped over.

        Raises:
          UserError: there are checkpoints, but none can be used; all stay as they are.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for tried, step in enumerate(steps):
            try:
                restored = self._read(step, like)
                if restored.position > at_most:
                    raise ValueError("the run's records are shorter than it remembers")
            except Exception as error:  # whatever is wrong with it: the one before may be whole
                path = self._directory / str(step)
                logging.warning("checkpoint %s cannot be used (%s)", path, _line(error, 200))
                continue
            for damaged in steps[:tried]:
                self._manager.delete(damaged)
            if tried:
                logging.warning("going on from checkpoint %s", self._directory / str(step))
            return restored
        if steps:
            raise UserError(
                f"no checkpoint in {self._directory} can be used; if search.rounds or .max_queries "
                "changed, set it back (some controllers depend on it); else move that folder away "
                "and the same command starts over, with all that the result store has reused"
            )
        return None

    def close(self) -> None:
        """Releases the directory."""
        self._manager.close()

    def _check_room(self, state: Any) -> None:
        """Refuses a full disk first: Orbax would answer with a traceback for every leaf."""
        needed = 2 * sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state)) + 2**20
        free = shutil.disk_usage(self._directory).free
        if free < needed:
            raise OSError(f"it may need {needed >> 20} MiB, the disk has {free >> 20} MiB left")

    def _read(self, step: int, like: Any) -> Restored:
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        wanted = ocp.args.Composite(
            state=ocp.args.StandardRestore(abstract), about=ocp.args.JsonRestore()
        )
        restored = self._manager.restore(step, args=wanted)
        about = dict(restored.about)
        seal = about.pop("seal", None)  # earlier versions wrote none
        is_sealed = seal is None or seal == files.digest_of_json(about)
        if digest(restored.state) != about["digest"] or not is_sealed:
            raise ValueError("its content does not match its digest")
        # On the host, as a new state is: placed arrays would need programs of their own.
        return Restored(jax.device_get(restored.state), about["position"])


def _line(error: Exception, length: int) -> str:
    return str(error).splitlines()[0][:length] if str(error) else type(error).__name__


def digest(state: Any) -> str:
    """SHA-256 over structure, types, shapes and values of all leaves."""
    leaves, structure = jax.tree.flatten(jax.device_get(state))
    contents = [str(structure).encode()]
    for leaf in map(np.asarray, leaves):
        contents += [f"{leaf.dtype}{leaf.shape}".encode(), leaf.tobytes()]
    return files.digest(*contents)
