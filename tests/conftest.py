"""How every test runs: two CPU devices, strict JAX, compiled programs kept between runs."""

import os
import pathlib
from collections.abc import Iterator

from tests.commands import QUICK_FLAGS, Commands

# Before jax is imported: it reads both once.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = " ".join(
    (os.environ.get("XLA_FLAGS", ""), "--xla_force_host_platform_device_count=2", *QUICK_FLAGS)
).strip()

import jax
import pytest

from nasjax import compile_cache

# Of tests/, the longest first: where files are shared out to processes, none is left alone at the
# end. A name that is missing or too many only costs time.
LONGEST = (
    "launch/test_wheel.py",
    "contracts/test_controllers.py",
    "evaluation/trained/test_layers.py",
    "launch/test_resume.py",
    "launch/test_bad_input.py",
    "studies/test_run.py",
    "predictor_studies/test_comparison.py",
    "controllers/trl_hpo/test_landscape.py",
    "studies/test_simulate.py",
    "launch/test_profile.py",
    "studies/test_against_plain.py",
    "contracts/test_spaces.py",
)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_disable_most_optimizations", True)
# Where every use of a random key is checked: all members run there, controllers in all their
# settings. (Under the check no call takes JAX's fast path: it costs 8 % of the controllers' tests.)
KEYS_CHECKED = (
    "contracts",
    "controllers",
    "predictors",
    "test_loop.py",
    "test_registry.py",
    "test_strictness.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs and matplotlib's font list in .pytest_cache."""
    if getattr(config, "cache", None) is None:  # pytest -p no:cacheprovider
        return
    os.environ.setdefault("MPLCONFIGDIR", str(config.cache.mkdir("matplotlib")))
    compile_cache.use(pathlib.Path(config.cache.mkdir("xla")))
    # Writing a program takes longer than compiling a small one without optimisations.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order of LONGEST, then the others as they were."""
    places = {pathlib.Path(__file__).parent / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Starts commands of `launch`."""
    started = Commands(tmp_path_factory.mktemp("commands"))
    yield started
    started.close()


@pytest.fixture(scope="module", autouse=True)
def fresh_jax(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begins a file without the programs of those before, and checks keys in KEYS_CHECKED."""
    place = request.path.relative_to(pathlib.Path(__file__).parent)
    jax.config.update("jax_debug_key_reuse", place.parts[0] in KEYS_CHECKED)
    yield
    jax.config.update("jax_debug_key_reuse", False)
    jax.clear_caches()  # else a process grows to gigabytes, and every collection walks them


@pytest.fixture(scope="module")
def optimised() -> Iterator[None]:
    """Compiles as a user's commands do; elsewhere LLVM's optimisations are left out.

    For tests that compare bits of the engine's programs, and for those that compute for long.
    """
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)
