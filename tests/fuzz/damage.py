"""Random damage to files of every kind: read as they were, refused in one line, or made again."""

import dataclasses
import json
import os
import pathlib
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

import nasjax
from launch import benchmark
from nasjax.data.datasets import DataConfig, load_search
from nasjax.devices import measurements
from nasjax.evaluation.trained.store import Result, ResultStore
from nasjax.predictors import saved
from nasjax.run_report import report
from nasjax.runs import learned
from nasjax.studies import shards
from nasjax.studies.simulate import Found
from tests.data.test_datasets import write_idx_set
from tests.devices.test_measurements import DESCRIBED, NETWORKS, ROWS
from tests.fuzz.verdicts import Verdict, Wrong, judge

OTHERS = (b"PK\x03\x04junk", b"\x93NUMPY\x01\x00", b"{}", b"[" * 9999)


@dataclasses.dataclass
class Kind:
    """One kind of file.

    Attributes:
      make: writes whole files into a folder.
      read: reads them as the program does; the plain data that must not change, or None where other
        content is as legal as the first one: then the outcome is "accepted".
      files: those that are damaged, as a glob pattern of the folder.
      weight: the share of the cases, relative to the others.
    """

    make: Callable[[pathlib.Path], None]
    read: Callable[[pathlib.Path], Any]
    files: str = "**/*"
    weight: float = 1.0


def damaged(content: bytes, random_of: random.Random) -> tuple[bytes, str]:
    """The content, damaged in one of its thirds, and how."""
    third = random_of.randrange(3)
    size = max(1, len(content))
    place = min(size - 1, int(size * (third + random_of.random()) / 3))
    junk = random_of.randbytes(random_of.choice((1, 4, 64)))
    end = place + len(junk)
    ways = {
        "flip": content[:place]
        + bytes([(content[place] if content else 0) ^ (1 << random_of.randrange(8))])
        + content[place + 1 :],
        "cut": content[:place],
        "overwrite": content[:place] + junk + content[end:],
        "insert": content[:place] + junk + content[place:],
        "zeros": content[:place] + bytes(min(4096, size - place)) + content[place + 4096 :],
        "remove": content[:place] + content[end:],
        "empty": b"",
        "other file": random_of.choice(
            (b"PK\x03\x04junk", b"\x93NUMPY\x01\x00", b"{}", b"[" * 9999)
        ),
    }
    way = random_of.choice(list(ways))
    return ways[way], f"{way} at {place} of {len(content)}"


def kinds(folder: pathlib.Path) -> dict[str, Kind]:
    """All kinds; `folder` takes what they share."""
    return {**_runs(folder), **_arrays(), **_images(folder), **_others()}


def _runs(folder: pathlib.Path) -> dict[str, Kind]:
    """The directory of a search that is finished."""
    config = nasjax.load_config("nas_bench_201/regularized_evolution")
    config["search"] |= {"rounds": 12, "checkpoint_every": 4}

    def search(where: pathlib.Path) -> Any:
        found = nasjax.search(config, where, cache_dir=folder / "cache")
        return found.architecture, found.accuracy, found.test_accuracy, found.queries

    return {
        "run, gone on with": Kind(search, search, weight=0.6),
        "run, reported": Kind(search, _report, weight=0.3),
    }


def _report(where: pathlib.Path) -> None:
    report.write_again(where)


def _arrays() -> dict[str, Kind]:
    """Arrays with a digest."""
    rng = np.random.default_rng(0)
    arrays = {"a": rng.random((3, 4)), "b": np.arange(5)}
    queries = rng.integers(0, 99, (4, 30))

    def write_shard(where: pathlib.Path) -> None:
        found = Found(queries, np.arange(4), np.arange(4), 1.0, 2.0)
        shards.write(where, "arm", shards.Shard(np.arange(4), found))

    def read_shard(where: pathlib.Path) -> Any:
        shard = shards.read(where, "arm")
        assert shard is not None
        return [np.asarray(value).tolist() for value in (shard.seeds, *shard.found)]

    def write_predictor(where: pathlib.Path) -> None:
        params = {"trees": arrays, "scale": {"c": np.ones(2)}}
        saved.save(where, saved.Saved("m", {"s": 1}, "latency_ms", ("x", "y"), params, {}))

    def read_predictor(where: pathlib.Path) -> Any:
        found = saved.load(where)
        return found._replace(params=_plain(found.params))

    return {
        "shard of a study": Kind(write_shard, read_shard),
        "predictor": Kind(write_predictor, read_predictor),
        "what a controller learned": Kind(
            lambda where: learned.save(where, arrays) and None,
            lambda where: _plain(learned.load([str(where / "learned.npz")])),
        ),
    }


def _plain(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), tree)


def _images(folder: pathlib.Path) -> dict[str, Kind]:
    """A data set of the user's own, and what is kept of it decoded."""
    images = folder / "images"
    write_idx_set(images)
    data = DataConfig(name=f"idx:{images}", train_size=30, validation_size=15)

    def read_own(where: pathlib.Path) -> None:
        own = dataclasses.replace(data, name=f"idx:{where}")
        load_search(own, folder / "cache of damaged images" / where.name)

    return {
        "cached images": Kind(
            lambda where: load_search(data, where) and None,
            lambda where: load_search(data, where).fingerprint,
        ),
        "own images (idx)": Kind(
            lambda where: shutil.copytree(images, where, dirs_exist_ok=True) and None, read_own
        ),
    }


def _others() -> dict[str, Kind]:
    """The store, and what people write by hand."""
    chains = [[{"kind": "conv", "filters": 8, "kernel": 3, "stride": 1}]] * 4

    return {
        "result store": Kind(_write_store, _read_store),
        "measurements": Kind(
            lambda where: measurements.write(where, NETWORKS, DESCRIBED, ROWS),
            lambda where: measurements.read(where) and None,
        ),
        "list of architectures": Kind(
            lambda where: (where / "chains.json").write_text(json.dumps(chains)) and None,
            lambda where: benchmark._read(where / "chains.json", benchmark.SPACE) and None,
        ),
    }


def _write_store(where: pathlib.Path) -> None:
    store = ResultStore(where / "results.sqlite")
    for i in range(30):
        store.put(f"key {i}", "conv", Result(0, np.full(32, i % 16, np.uint8), 10 * i, 0.5))
    store.close()


def _read_store(where: pathlib.Path) -> str:
    """Reads every row; one that is damaged counts as missing, and is trained again."""
    store = ResultStore(where / "results.sqlite")
    try:
        found = [store.get(f"key {i}") for i in range(30)]
    finally:
        store.close()
    for i, result in enumerate(found):
        if result and (result.correct, result.counts.tolist()) != (10 * i, [i % 16] * 32):
            raise Wrong(f"row {i}: {result}")
    return "every row whole or missing"


def run(seed: int, count: int, folder: pathlib.Path) -> Iterator[Verdict]:
    """The verdicts of `count` damaged files, spread over all kinds."""
    random_of = random.Random(seed)
    known = kinds(folder)
    expected: dict[str, Any] = {}
    for number, (name, kind) in enumerate(known.items()):
        whole = folder / f"whole {number}"
        whole.mkdir()
        kind.make(whole)
        expected[name] = kind.read(whole)
    names = list(known)
    weights = [kind.weight for kind in known.values()]
    for i in range(count):
        name = names[i % len(names)] if i < len(names) else random_of.choices(names, weights)[0]
        kind, copy = known[name], folder / f"damaged {i}"
        shutil.copytree(folder / f"whole {names.index(name)}", copy, copy_function=shutil.copy2)
        paths = sorted(p for p in copy.glob(kind.files) if p.is_file() and p.name != "lock")
        path = random_of.choice(paths)
        content, how = damaged(path.read_bytes(), random_of)
        times = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

        def one(kind: Kind = kind, copy: pathlib.Path = copy, name: str = name) -> str:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = kind.read(copy)
            if found != expected[name]:
                raise Wrong(f"{found} instead of {expected[name]}")
            return "accepted" if found is None else "same"

        yield judge(name, f"{path.relative_to(copy)}: {how}", one)
        shutil.rmtree(copy)
