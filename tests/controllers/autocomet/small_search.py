"""A small space, measurements of its networks, and controllers compiled once per settings."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.controllers.autocomet.controller import make_autocomet
from nasjax.spaces import parsed
from nasjax.spaces.slots import SlotSpace
from nasjax.types import GROW, INFEASIBLE, OK, Costs, Outcome, Proposal, Request
from tests.oracles.numpy_tree import Tree

COSTS = Costs(("device/latency_ms", "network/params_m"), (4.0, 0.5))
TARGET_MS = 5.0


@dataclasses.dataclass(frozen=True)
class Chained(SlotSpace):
    """A convolution a slot, whose filters and kernel its operation sets."""

    operations: tuple[str, ...] = tuple("abcdefg")
    num_layers: int = 3
    filler: int = 0

    def network_layers(self, ops):
        return parsed.join(parsed.conv(8, 4 + 2 * ops, 1 + 2 * (ops % 2), 1, 8))


@dataclasses.dataclass(frozen=True)
class Unequal(Chained):
    """Slots a, b; c, d, e; d, e, f, g: 24 architectures, 32 prefixes."""

    choices = np.array([[0, 2], [2, 3], [3, 4]])


UNEQUAL = Unequal()
TREE = Tree([(0, 1), (2, 3, 4), (3, 4, 5, 6)], discount=0.9)
WHOLE = np.array(TREE.whole)  # [24, L], operations from 0
OFFSETS = UNEQUAL.choices[:, 0]


def measure(seed=0):
    """The accuracy of every prefix, its two costs, whether the device can run it; some tie."""
    rng = np.random.default_rng(seed)
    found = {}
    for prefix in TREE.prefixes:
        accuracy = float(np.float32(round(rng.uniform(0.1, 0.9), 1)))
        runs = rng.random() > 0.15
        costs = np.float32([rng.uniform(1, 9) if runs else np.inf, rng.uniform(0.1, 1)])
        found[prefix] = accuracy, costs, runs
    return found


def prefix_of(architecture):
    """[L, 1] -> the operations from 0 of the slots filled."""
    return tuple(code - 1 for code in np.asarray(architecture)[:, 0].tolist() if code)


def outcome_of(proposal, table):
    """The table's outcomes; rows that are not asked for hold numbers that nobody may read."""
    rows = [table[prefix_of(architecture)] for architecture in np.asarray(proposal.architecture)]
    asked = np.asarray(proposal.mask)
    accuracy = np.where(asked, np.float32([row[0] for row in rows]), np.float32(0.95))
    costs = np.where(asked[:, None], np.stack([row[1] for row in rows]), np.float32(99))
    runs = np.array([row[2] for row in rows]) | ~asked
    status = np.where(runs, OK, INFEASIBLE).astype(np.int32)
    return Outcome(*map(jnp.asarray, (accuracy[:, None], accuracy, costs, status)))


# Programs that run a few times: half the time to compile, and nothing else changes.
COMPILE_QUICKLY = {"xla_backend_optimization_level": 0}


@functools.cache
def make(queries=40, space=UNEQUAL, costs=COSTS, **settings):
    """The controller, and its functions as they are jitted when first called."""
    request = Request(space, 1, rounds=queries, max_queries=queries, costs=costs)
    controller = make_autocomet(AutocometConfig(**settings), request)
    grow, validate = controller.round
    functions = {
        "init": controller.init,
        "propose": grow.propose,
        "update": grow.update,
        "propose_validation": validate.propose,
    }
    return controller, {
        name: jax.jit(function, compiler_options=COMPILE_QUICKLY)
        for name, function in functions.items()
    }


def begin(controller, epsilon, seed=0, scale=0.5):
    """As `init`, which takes longer to compile; no two prefixes are worth the same to its nets."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(controller.init, jax.random.key(0))
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def drawn(leaf):
        return jnp.asarray(scale * rng.normal(size=leaf.shape), jnp.float32)

    q, phi = jax.tree.map(drawn, (state.learner.q, state.learner.phi))
    learner = state.learner.replace(q=q, phi=phi, epsilon=jnp.asarray(epsilon, jnp.float32))
    return state.replace(learner=learner, best=jnp.float32(-1e9))


def params_of(tree, *index):
    """A net's parameters as float64; `index` of a potential."""
    return {
        layer: {key: np.float64(leaf[index]) for key, leaf in arrays.items()}
        for layer, arrays in tree["params"].items()
    }


def proposal_of(wholes, credit):
    """As a round asks for architectures [M, L] of operations from 0."""
    wholes = np.asarray(wholes)
    models, layers = wholes.shape
    filled = np.arange(layers) <= np.arange(layers)[:, None]  # [prefixes, L]
    architecture = np.where(filled[None], wholes[:, None] + 1, 0).reshape(-1, layers, 1)
    asked = np.full(layers, credit != "final")
    asked[-1] = True
    return Proposal(
        architecture=jnp.asarray(architecture, jnp.int32),
        mask=jnp.asarray(np.tile(asked, models)),
        purpose=jnp.full(models * layers, GROW, jnp.int32),
        baseline=jnp.zeros((models * layers, 1)),
    )


@functools.cache
def features(space=UNEQUAL, tree=TREE):
    """Prefix -> what a net reads: the space's features, standardised, and a one at its length.

    The standard is that of the 512 architectures that the module `networks` draws.
    """
    keys = jax.random.split(jax.random.key(0), 512)
    of = jax.jit(jax.vmap(space.features))
    drawn = np.float64(of(jax.vmap(space.sample)(keys)))
    mean, deviation = drawn.mean(0), drawn.std(0)
    codes = np.zeros((len(tree.prefixes), space.num_layers, 1), np.int32)
    for row, prefix in zip(codes, tree.prefixes, strict=True):
        row[: len(prefix), 0] = np.array(prefix) + 1
    found = (np.float64(of(jnp.asarray(codes))) - mean) / np.where(deviation > 0, deviation, 1)
    lengths = np.eye(space.num_layers)[[len(prefix) - 1 for prefix in tree.prefixes]]
    rows = np.concatenate([found, lengths], axis=1)
    return dict(zip(tree.prefixes, rows, strict=True))
