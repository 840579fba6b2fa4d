"""Searches for neural architectures with reinforcement learning, on JAX.

    import nasjax

    config = nasjax.load_config("configs/nas_bench_201/regularized_evolution.py")
    result = nasjax.search(config)
    print(result.architecture, result.accuracy, result.test_accuracy)

Everything in `__all__` is imported when it is first used: `import nasjax` itself loads no JAX.

Run          `search`, `study`, `load_config`; they return `SearchResult`, `StudyResult`.
Members      `SPACES`, `CONTROLLERS`, `EVALUATORS`, `REWARDS`, `PREDICTORS`: dicts of entries by the
             name that they have in a config.
Add          `SpaceEntry`, `ControllerEntry`, `EvaluatorEntry`, `RewardEntry`, `PredictorEntry`,
             and what they are made from. In a config, an entry may stand in place of a
             section or of its `name`; so may "package.module:ATTRIBUTE" for a `name`.
Contracts    what flows through a search: `Proposal`, `Outcome`, `Phase`, `Controller` and so on;
             `nasjax.contracts` has a test suite for each kind of member.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "nasjax.api": ("SearchResult", "StudyResult", "load_config", "search", "study"),
    "nasjax.build": ("Search", "assemble", "parse"),
    "nasjax.controllers.proposals": ("propose_whole",),
    "nasjax.entries": (
        "ControllerEntry",
        "EvaluatorEntry",
        "NoSettings",
        "PredictorEntry",
        "RewardEntry",
        "SpaceEntry",
    ),
    "nasjax.errors": ("UserError",),
    "nasjax.evaluation.evaluation": ("Evaluation", "EvaluationRequest", "Rows", "Tables"),
    "nasjax.loop": ("SearchConfig", "run_compiled"),
    "nasjax.predictors.predictor": ("Prediction", "Predictor"),
    "nasjax.registry": ("CONTROLLERS", "EVALUATORS", "PREDICTORS", "REWARDS", "SPACES"),
    "nasjax.spaces.slots": ("SlotSpace",),
    "nasjax.types": (
        "Controller",
        "Costs",
        "Evaluator",
        "Exchange",
        "Observer",
        "Outcome",
        "Phase",
        "Proposal",
        "Request",
        "Reward",
        "SearchState",
        "Space",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """The public name, imported from where it is defined."""
    if name not in _HOME:
        raise AttributeError(f"module 'nasjax' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
