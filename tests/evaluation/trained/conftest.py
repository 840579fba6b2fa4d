"""Fixtures of the engine's tests."""

import pytest

from nasjax.evaluation.trained import native


@pytest.fixture(params=["kernels", "products"])
def way(request, monkeypatch):
    """Both ways to compute a layer on a CPU: native/, and XLA's operations."""
    if request.param == "products":
        monkeypatch.setenv("NASJAX_NATIVE", "0")
    elif not native.load():
        pytest.skip("no C++ compiler")
    return request.param


@pytest.fixture(scope="module", autouse=True)
def engine_optimised(optimised):
    """The engine's programs as they train candidates."""
