"""The methods that several studies compare: controllers and rewards by label."""

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
    """TRL-HPO as published, with two changes for tables.

    All slots are filled: a skip gains exactly 0, so with the published stops no top cell could be
    reached. Learning starts after the first episode: the budget would not fill 20,000 rows.
    """
    controller = dict(name="trl_hpo", min_gain=None, min_accuracy=None, min_size=60)
    controller.update(replay_capacity=8_000, patience=1_000_000)
    return dict(controller=controller | changes, reward=dict(name=reward))


# --- under a constraint on a device cost, given by `study.costs` and `study.quantiles` ------------

# MnasNet's constraint, softer: on three contexts evolution and local search did better with -0.15
# than with -0.3 and -1.
BOUND = dict(name="weighted_product", exponent=-0.15, exponent_below=0.0)
# Algorithm 1 as printed, every setting by name; see nasjax/controllers/autocomet/README.md.
AS_PRINTED = dict(
    credit="value",
    scale="raw",
    secondary_reward="cost",
    shaping="value",
    schedule="equation_3",
    epsilon=(1.0,),
    temperature=1.0,
    final_temperature=None,
    updates=1,
    replays=0,
    attempts=1,
)


def autocomet(reward: Any = None, **changes: Any) -> dict[str, Any]:
    """AUTOCoMET; Q learns the accuracy unless another reward is named."""
    controller = dict(name="autocomet") | changes
    return dict(controller=controller, reward=reward or dict(name="accuracy"))


def nas_predictor(weight: float, penalty: str = "cost", **changes: Any) -> dict[str, Any]:
    """NAS+Predictor: the same learner without shaping; accuracy minus a weighted cost."""
    reward = dict(name="weighted_sum", weight=weight, penalty=penalty)
    return autocomet(reward, secondaries=(), **changes)


def mnasnet(exponent: float, exponent_below: float, learning_rate: float = 0.05) -> dict[str, Any]:
    """MnasNet and ProxylessNAS: REINFORCE, accuracy * (cost / target)^w."""
    reward = dict(name="weighted_product", exponent=exponent, exponent_below=exponent_below)
    return dict(controller=dict(name="reinforce", learning_rate=learning_rate), reward=reward)


UNDER_TARGET: dict[str, dict[str, Any]] = dict(
    random_search=RANDOM_SEARCH,
    local_search=dict(controller=dict(name="local_search"), reward=BOUND),
    regularized_evolution=dict(controller=dict(name="regularized_evolution"), reward=BOUND),
)
# Baselines with weights around the best ones of a wider sweep on three contexts. They are to be
# judged by the best weight of each context, in hindsight. Labels have the weights in percent.
MNASNET = dict(
    mnasnet_3=mnasnet(-0.03, -0.03),
    mnasnet_7=mnasnet(-0.07, -0.07),
    mnasnet_20=mnasnet(-0.2, -0.2),
    mnasnet_30_above=mnasnet(-0.3, 0.0),
)
NAS_PREDICTOR = dict(
    nas_predictor_cost_5=nas_predictor(0.05, "cost"),
    nas_predictor_excess_10=nas_predictor(0.1, "excess"),
    nas_predictor_excess_50=nas_predictor(0.5, "excess"),
)
ALL_UNDER_TARGET = UNDER_TARGET | MNASNET | NAS_PREDICTOR | dict(autocomet=autocomet())
