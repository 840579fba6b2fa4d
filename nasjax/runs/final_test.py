"""The final test: the only reader of the test split, once per run, when the search is over."""

import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nasjax import files
from nasjax.errors import UserError
from nasjax.runs.workdir import FINAL_TEST
from nasjax.types import Space

# architecture [L, F] -> the record of its test: "test_accuracy", and how it was obtained
TestFn = Callable[[np.ndarray], dict[str, Any]]


def final_test(
    workdir: pathlib.Path,
    architecture: np.ndarray,
    space: Space,
    test_fn: TestFn,
    ended: Mapping[str, Any],
) -> dict[str, Any]:
    """Measures the best architecture [L, F] on the test split, or reads the result of a test.

    The run's directory keeps the result, and how the search had ended.

    Args:
      ended: the "rounds" that were made, and what the search was "ended_by"; see `loop.end_reason`.

    Raises:
      UserError: another architecture was tested in this run already, or the kept result is damaged.
    """
    path = workdir / FINAL_TEST
    if path.exists():
        kept = _read(path)
        if kept["encoding"] != np.asarray(architecture).tolist():
            raise UserError(
                f"{path} holds the test of another architecture ({kept['architecture']}); the test "
                "split is read once per run: to search further, choose another --workdir"
            )
        return kept
    start = time.perf_counter()
    result = {
        "architecture": space.to_text(architecture),
        "encoding": np.asarray(architecture).tolist(),
        **test_fn(architecture),
        **ended,
        "seconds": round(time.perf_counter() - start, 2),
    }
    files.write_json(path, {**result, "sha256": files.digest_of_json(result)})
    return result


def rounds_tested(workdir: pathlib.Path) -> int | None:
    """The rounds of a search that was tested, the budget of every later start; None: untested.

    Raises:
      UserError: the kept result is damaged.
    """
    path = workdir / FINAL_TEST
    rounds = _read(path).get("rounds") if path.exists() else None  # earlier versions kept none
    return rounds if isinstance(rounds, int) else None


def _read(path: pathlib.Path) -> dict[str, Any]:
    kept = files.read_json(path)
    seal = kept.pop("sha256", None)
    is_earlier = seal is None and "rounds" not in kept  # earlier versions wrote neither
    is_whole = is_earlier or seal == files.digest_of_json(kept)
    if not is_whole or not {"encoding", "architecture"} <= kept.keys():
        raise UserError(f"{path} is damaged; remove it, and the test is made again")
    return kept
