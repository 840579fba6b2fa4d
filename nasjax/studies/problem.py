"""Makes a study's problems, once each, and sets its settings on them.

A problem is a space and a data set, with a constraint or without. Its rows are those of a published
table. A space too large for a table has no table: surrogates predict accuracies and costs, and a
fixed random sample of the space (`evaluation.surrogate.drawn_from`) stands for it where a table
would be counted, in quantiles of a cost and in what random draws find. The architectures that
searches ask for become rows once the searches are over, see `with_asked`.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax import build, files
from nasjax.config import check, unknown
from nasjax.errors import UserError
from nasjax.evaluation import predicted_costs, surrogate
from nasjax.evaluation.evaluation import Rows
from nasjax.evaluation.surrogate import SurrogateConfig, drawn_from
from nasjax.registry import (
    STUDIED,
    find,
    fitting_evaluator,
    of_saved,
    parse_member,
    slot_space,
)
from nasjax.spaces.slots import SlotSpace
from nasjax.studies.config import ArmConfig, Constraint, ProblemConfig, Study

_AT_ONCE = 2**18  # architectures whose slots are held at a time


class Problem(NamedTuple):
    """A space, a data set and a constraint: searches look for the best feasible architecture."""

    space: str
    data_set: str
    search_accuracy: np.ndarray  # [rows] in [0, 1], searches observe it; NaN where missing
    reported_accuracy: np.ndarray  # [rows] in [0, 1], on the test split; NaN where missing
    constraint: Constraint | None = None
    max_cost: float | None = None  # of a feasible row, in the unit that ends the cost's name
    costs: np.ndarray | None = None  # [rows], constrained; infinite: the device cannot run the row
    is_predicted: bool = False  # `costs` are a saved predictor's, of a table's rows
    observed_costs: np.ndarray | None = None  # [rows], predicted, observed instead of `costs`
    search_max_cost: float | None = None  # the bound that searches observe, their costs' unit
    measures: Mapping[str, np.ndarray] = MappingProxyType({})  # [rows] each, of the incumbents
    surrogates: SurrogateConfig | None = None  # they stand in for a table, where there is none
    ids: np.ndarray | None = None  # with surrogates: [rows] int64, the index in the space
    sample: np.ndarray | None = None  # with surrogates: [K] int32, the rows of the random sample

    @property
    def is_kept(self) -> np.ndarray:
        """[rows] bool: the row keeps the constraint."""
        return self._at_most(self.costs)

    @property
    def seems_kept(self) -> np.ndarray:
        """[rows] bool: the row keeps the constraint by the costs that searches observe."""
        return self._at_most(self.costs if self.observed_costs is None else self.observed_costs)

    def _at_most(self, costs: np.ndarray | None) -> np.ndarray:
        if costs is None or self.max_cost is None:
            return np.ones(len(self.search_accuracy), bool)
        return costs <= self.max_cost

    @property
    def eligible_accuracy(self) -> np.ndarray:
        """[rows]: `search_accuracy`, NaN where the constraint is broken: what is to be found."""
        return np.where(self.is_kept, self.search_accuracy, np.nan)

    @property
    def observed_accuracy(self) -> np.ndarray:
        """[rows]: the same by the costs that searches observe, which decide on incumbents."""
        return np.where(self.seems_kept, self.search_accuracy, np.nan)

    @property
    def drawn(self) -> np.ndarray | slice:
        """The rows that stand for uniform draws from the space: all rows of a table."""
        return slice(None) if self.sample is None else self.sample

    @property
    def is_feasible(self) -> bool:
        """Whether any row keeps the constraint."""
        return bool(np.isfinite(self.eligible_accuracy).any())


class Arm(NamedTuple):
    """A setting set on its problem: all that its searches are made of."""

    config: ArmConfig
    problem: Problem
    made: build.Search


class _Columns(NamedTuple):
    """The rows of a space and a data set, with the costs that a study names."""

    rows: Rows
    costs: Mapping[str, np.ndarray]  # [rows] each


def make_arms(study: Study) -> list[Arm]:
    """Every arm of a study, in its order; a UserError begins with the arm's name."""
    costs = tuple(dict.fromkeys((*study.config.costs, *study.config.measures)))
    columns: dict[tuple[str, str], _Columns] = {}
    problems: dict[Any, Problem] = {}
    alike: dict[Any, build.Search] = {}  # by problem: its searches share one evaluation
    arms = []
    for config in study.arms:
        asked = config.problem
        where = asked.space, asked.data_set
        try:
            if where not in columns:
                columns[where] = _load(asked, costs)
            if asked.key not in problems:
                problems[asked.key] = make_problem(asked, columns[where])
            problem = problems[asked.key]
            made = build.assemble_table(
                config.sections, config.budget, problem.search_max_cost, like=alike.get(asked.key)
            )
            alike.setdefault(asked.key, made)
        except UserError as error:
            raise UserError(f"{config.name}: {error}") from None
        arms.append(Arm(config, problem, made))
    return arms


def facts(arms: Iterable[Arm]) -> dict[str, str]:
    """The digests of the tables that a study reads, by space and data set."""
    read: dict[str, dict[str, np.ndarray]] = {}
    for problem in (arm.problem for arm in arms if arm.problem.surrogates is None):
        columns = read.setdefault(f"table {problem.space}/{problem.data_set}", {})
        columns["search_accuracy"] = problem.search_accuracy
        columns["reported_accuracy"] = problem.reported_accuracy
        columns |= problem.measures
        if problem.constraint is not None and problem.costs is not None:
            columns[f"constrained {problem.constraint.cost}"] = problem.costs
    return {name: files.digest_of_arrays(columns) for name, columns in read.items()}


def make_problem(config: ProblemConfig, columns: _Columns) -> Problem:
    """The problem, its bound taken from the quantile of the cost.

    Raises:
      UserError: the constrained cost is never finite.
    """
    problem = Problem(
        space=config.space,
        data_set=config.data_set,
        search_accuracy=columns.rows.search_accuracy,
        reported_accuracy=columns.rows.reported_accuracy,
        measures={name: columns.costs[name] for name in config.measures},
    )
    if config.has_surrogates:
        sample = _sample_ids(config)
        problem = problem._replace(
            surrogates=_surrogates(config),
            ids=sample,
            sample=np.arange(len(sample), dtype=np.int32),
        )
    if config.constraint is None:
        return problem
    cost, quantile = config.constraint
    costs = columns.costs[cost]
    runs = "a cost that is finite for some architecture: the device can run none"
    check(bool(np.isfinite(costs).any()), "study.costs", cost, runs)
    max_cost = _quantile(costs, quantile)
    problem = problem._replace(
        constraint=config.constraint,
        max_cost=max_cost,
        costs=costs,
        is_predicted=cost in config.predictors,
        search_max_cost=max_cost,
    )
    if not config.observes_another_cost:
        return problem
    # As searches compare them: in single precision, counted in the bound.
    no_costs = columns.rows._replace(costs=columns.rows.costs[:, :0])
    rows = _with_predicted(no_costs, config, config.observed[:1])
    counted = rows.in_units(max_cost).costs[:, 0]
    bound = max_cost
    if config.relative:
        bound *= _quantile(counted, quantile)
        counted = rows.in_units(bound).costs[:, 0]
    return problem._replace(observed_costs=counted * max_cost, search_max_cost=bound)


def _quantile(costs: np.ndarray, quantile: float) -> float:
    """The quantile of the costs that are finite."""
    return float(np.quantile(costs[np.isfinite(costs)], quantile))


def _load(config: ProblemConfig, costs: Sequence[str]) -> _Columns:
    """The rows of a table, in the order of the space's index, or of the random sample."""
    name, fitting = config.evaluator.get("name", STUDIED), fitting_evaluator(config.space)
    fits = fitting.trains or fitting is find("evaluator", name)  # a trained space is refused later
    allowed = f"{fitting.name!r}, for {config.space} in study.tables"
    check(fits, "evaluator.name", name, allowed)
    tables = find("space", config.space).tables
    if tables is None:
        surrogates = dataclasses.replace(_surrogates(config), costs=tuple(costs))
        space = slot_space(config.space)
        rows = _predict(space, surrogates, drawn_from(space))
        return _Columns(rows, dict(zip(costs, rows.costs.T, strict=True)))
    has = [*tables.cost_names(config.data_set), *config.predictors]
    for name in costs:
        if name not in has:
            what = f"cost {name!r} of config.study.costs or .measures"
            more = "evaluator.predicted may name directories of saved predictors too"
            raise UserError(f"{unknown(what, name, has)}; {more}")
    measured = [name for name in costs if name not in config.predictors]
    predicted = tuple(name for name in costs if name in config.predictors)
    rows = _with_predicted(tables.load(config.data_set, measured), config, predicted)
    return _Columns(rows, dict(zip((*measured, *predicted), rows.costs.T, strict=True)))


def _with_predicted(rows: Rows, config: ProblemConfig, predicted: Sequence[str]) -> Rows:
    """The rows of a table with the costs of saved predictors as further columns."""
    space = slot_space(config.space)
    return predicted_costs.append(rows, space, predicted, config.data_set, of_saved)


# --- spaces too large for a table ---------------------------------------------------------------


def with_asked(problem: Problem, asked: Iterable[np.ndarray]) -> Problem:
    """The problem with the random sample and the architectures that were asked for as its rows.

    Args:
      problem: one with surrogates, which predict all rows once, in the order of the space's index.
      asked: indices of the space; negative ones are none.
    """
    assert problem.surrogates is not None and problem.ids is not None
    sample = problem.ids[problem.sample]
    ids = np.unique(sample)
    for indices in asked:  # one by one: most rows of a search of few queries are its own
        ids = np.union1d(ids, indices[indices >= 0])
    constrained = () if problem.constraint is None else (problem.constraint.cost,)
    names = tuple(dict.fromkeys((*constrained, *problem.measures)))
    surrogates = dataclasses.replace(problem.surrogates, costs=names)
    space = slot_space(problem.space)
    chunks = [
        _predict(space, surrogates, space.from_index(ids[start : start + _AT_ONCE]))
        for start in range(0, len(ids), _AT_ONCE)
    ]
    rows = Rows(*(np.concatenate(column) for column in zip(*chunks, strict=True)))
    costs = dict(zip(names, rows.costs.T, strict=True))
    return problem._replace(
        search_accuracy=rows.search_accuracy,
        reported_accuracy=rows.reported_accuracy,
        costs=None if problem.constraint is None else costs[problem.constraint.cost],
        measures={name: costs[name] for name in problem.measures},
        ids=ids,
        sample=as_rows(ids, sample),
    )


def as_rows(ids: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Indices of the space as rows of ascending `ids`, int32; negative ones stay."""
    return np.where(indices < 0, indices, np.searchsorted(ids, indices)).astype(np.int32)


def _surrogates(config: ProblemConfig) -> SurrogateConfig:
    parsed = parse_member("evaluator", config.evaluator).settings
    assert isinstance(parsed, SurrogateConfig)
    return parsed


def _predict(space: SlotSpace, config: SurrogateConfig, architectures: np.ndarray) -> Rows:
    """The surrogates' rows for the architectures [N, L, 1], in their order."""
    return surrogate.predict_rows(surrogate.load(config, space, of_saved), space, architectures)


def _sample_ids(config: ProblemConfig) -> np.ndarray:
    space = slot_space(config.space)
    words = jax.jit(jax.vmap(space.index_words))(jnp.asarray(drawn_from(space)))
    return space.index_from_words(words)
