"""Fixtures of the engine's tests."""

import pytest

from nasjax.evaluation.trained import native, programs


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
    """The engine's programs as they train candidates: with XLA's defaults."""
    defaults = {"xla_cpu_parallel_codegen_split_count": "32"}
    if programs.OLDER_EMITTERS:
        defaults["xla_cpu_use_fusion_emitters"] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "_THOROUGH", defaults)
        yield
