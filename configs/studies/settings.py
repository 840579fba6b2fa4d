"""Settings of controllers on tables, which several studies share."""

from typing import Any

RANDOM_SEARCH = dict(controller=dict(name="random_search", models_per_round=1))
SIMPLE = dict(
    random_search=RANDOM_SEARCH,
    local_search=dict(controller=dict(name="local_search")),
    regularized_evolution=dict(controller=dict(name="regularized_evolution")),
    reinforce=dict(controller=dict(name="reinforce")),
    metaqnn=dict(controller=dict(name="metaqnn")),
)


def trl_hpo(reward: str = "accuracy_gain", **changes: Any) -> dict[str, Any]:
    """TRL-HPO as published, but for what a table asks for.

    All slots are filled (a skip gains exactly 0, so with the published stops no top cell could be
    reached), and learning starts after the first episode: the budget would not fill 20,000 rows.
    """
    controller = dict(name="trl_hpo", min_gain=None, min_accuracy=None, min_size=60)
    controller.update(replay_capacity=8_000, patience=1_000_000)
    return dict(controller=controller | changes, reward=dict(name=reward))
