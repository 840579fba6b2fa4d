"""Names in a config become parts. The one place that names concrete members."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax.config import parse_section, unknown
from nasjax.controllers.random_search.controller import RandomSearchConfig, make_random_search
from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.controller import make_trl_hpo
from nasjax.data.datasets import DataConfig, SearchData, Split, load_search, load_test
from nasjax.errors import UserError
from nasjax.evaluation.trained.evaluator import TrainedConfig, TrainedEvaluator
from nasjax.evaluation.trained.store import Result, ResultStore
from nasjax.rewards.accuracy_gain import AccuracyGainConfig, make_accuracy_gain
from nasjax.search import SearchConfig
from nasjax.spaces.layer_chain import LayerChain, LayerChainConfig
from nasjax.streams import stream
from nasjax.types import MEASURED, STATUSES, Controller, Reward

SECTIONS = ("seed", "space", "data", "controller", "evaluator", "reward", "search")


class Settings(NamedTuple):
    """A checked config: every section as its dataclass."""

    seed: int
    space: LayerChainConfig
    data: DataConfig
    controller: Any
    evaluator: TrainedConfig
    reward: AccuracyGainConfig
    search: SearchConfig
    names: dict[str, str]


class Parts(NamedTuple):
    """All that a search is made of."""

    settings: Settings
    root_key: jax.Array
    data: SearchData
    space: LayerChain
    controller: Controller
    evaluator: TrainedEvaluator
    reward: Reward
    load_test: Callable[[], Split]
    train_fn: Callable[[np.ndarray, Split, Split], float]


class _Request(NamedTuple):
    """What a controller may need to know of the other parts."""

    space: LayerChain
    settings: Settings

    @property
    def performance_size(self) -> int:
        return self.settings.evaluator.validation_batches


def _trl_hpo(config: TrlHpoConfig, request: _Request) -> Controller:
    return make_trl_hpo(
        config,
        request.space,
        performance_size=request.performance_size,
        counts_of=request.settings.evaluator.validation_batch_size,
        invalid_reward=request.settings.reward.invalid,
        rounds=request.settings.search.rounds,
    )


def _random_search(config: RandomSearchConfig, request: _Request) -> Controller:
    return make_random_search(config, request.space, performance_size=request.performance_size)


# Adding a member is one entry: its name -> its settings (and, for a controller, who builds it).
SPACES: dict[str, type] = {"layer_chain": LayerChainConfig}
CONTROLLERS: dict[str, tuple[type, Callable[[Any, _Request], Controller]]] = {
    "random_search": (RandomSearchConfig, _random_search),
    "trl_hpo": (TrlHpoConfig, _trl_hpo),
}
EVALUATORS: dict[str, type] = {"trained": TrainedConfig}
REWARDS: dict[str, type] = {"accuracy_gain": AccuracyGainConfig}


def parse(config: Mapping[str, Any]) -> Settings:
    """Checks a whole config.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    for key in config:
        if key not in SECTIONS:
            raise UserError(unknown(f"key config.{key}", key, list(SECTIONS)))
    for key in SECTIONS:
        if key not in config:
            raise UserError(f"config.{key} is missing; a config has {', '.join(SECTIONS)}")
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserError(f"config.seed={seed!r}; it must be a whole number from 0 to 2**32 - 1")
    members: dict[str, dict[str, type]] = {
        "space": SPACES,
        "controller": {name: cls for name, (cls, _) in CONTROLLERS.items()},
        "evaluator": EVALUATORS,
        "reward": REWARDS,
    }
    names, parsed = {}, {}
    for section, known in members.items():
        names[section], parsed[section] = _parse_member(section, config[section], known)
    return Settings(
        seed=seed,
        data=parse_section(DataConfig, config["data"], "data"),
        search=parse_section(SearchConfig, config["search"], "search"),
        names=names,
        **parsed,
    )


def assemble(
    settings: Settings,
    *,
    cache_dir: pathlib.Path,
    use_store: bool = True,
    on_result: Callable[[], None] = lambda: None,
) -> Parts:
    """Builds the parts of a search.

    Args:
      settings: from `parse`.
      cache_dir: holds decoded data sets and, if `use_store`, the results of all runs.
      on_result: called after every trained candidate.
    """
    data = load_search(settings.data, cache_dir)
    shape = data.train.images.shape[1:]
    space = LayerChain((shape[0], shape[1], shape[2]), data.num_classes, settings.space)
    _, make = CONTROLLERS[settings.names["controller"]]
    controller = make(settings.controller, _Request(space, settings))
    store = ResultStore(cache_dir / "results.sqlite") if use_store else None
    evaluator = TrainedEvaluator(settings.evaluator, space, data, store, on_result)
    root_key = jax.random.key(settings.seed)

    def train_fn(architecture: np.ndarray, train: Split, test: Split) -> float:
        return _train_once(settings, space, root_key, architecture, train, test)

    return Parts(
        settings=settings,
        root_key=root_key,
        data=data,
        space=space,
        controller=controller,
        evaluator=evaluator,
        reward=make_accuracy_gain(settings.reward),
        load_test=lambda: load_test(settings.data, cache_dir),
        train_fn=train_fn,
    )


def resolved(settings: Settings, space: LayerChain) -> dict[str, Any]:
    """The config with every default filled in, as plain data."""
    config: dict[str, Any] = {"seed": settings.seed}
    for section in SECTIONS[1:]:
        name = {"name": settings.names[section]} if section in settings.names else {}
        config[section] = {**name, **dataclasses.asdict(getattr(settings, section))}
    config["space"] |= {
        "input_shape": list(space.input_shape),
        "num_classes": space.num_classes,
    }
    return config


def remember_records(evaluator: TrainedEvaluator, rows: Any, images: int) -> None:
    """Gives a run's own records back to its evaluator, so that going on trains nothing twice.

    Args:
      rows: of `events.jsonl`, also those after the last checkpoint.
      images: of the search-validation split.
    """
    for row in rows:
        if row["event"] == "candidate" and row["status"] in (*MEASURED, "diverged"):
            counts = np.array(row["counts"], np.uint8)
            correct = round(row["accuracy"] * images)
            result = Result(STATUSES.index(row["status"]), counts, correct, 0.0)
            evaluator.remember(np.array(row["encoding"], np.int32), result)


def _parse_member(section: str, values: Any, known: dict[str, type]) -> tuple[str, Any]:
    if not isinstance(values, Mapping) or "name" not in values:
        raise UserError(f"config.{section}.name is missing; known: {', '.join(sorted(known))}")
    name = values["name"]
    if name not in known:
        raise UserError(unknown(f"config.{section}.name={name!r}", str(name), list(known)))
    rest = {key: value for key, value in values.items() if key != "name"}
    return name, parse_section(known[name], rest, section)


def _train_once(
    settings: Settings,
    space: LayerChain,
    root_key: jax.Array,
    architecture: np.ndarray,
    train: Split,
    test: Split,
) -> float:
    """Accuracy on `test` of one candidate trained on `train` by the search's recipe."""
    config = dataclasses.replace(
        settings.evaluator,
        lanes=1,
        conv_widths=(),
        fc_widths=(),
        stop_below=(),
        validation_batches=1,
        validation_batch_size=1,
    )
    data = SearchData(train, test, space.num_classes, fingerprint="final test")
    evaluator = TrainedEvaluator(config, space, data)
    result = evaluator.measure(stream(root_key, "final test"), np.asarray(architecture, np.int32))
    if STATUSES[result.status] != "ok":
        raise UserError(
            f"the final training of {space.to_text(architecture)} ended as "
            f"{STATUSES[result.status]}; try another seed"
        )
    return result.correct / len(test.labels)
