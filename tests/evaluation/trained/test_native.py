"""The library of kernels: where it comes from, and what happens without it."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nasjax.evaluation.trained import native

ROOT = Path(__file__).parents[3]


def test_the_compiler_is_cxx_or_found_by_name_or_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert native.compiler() is None
    for name in ("clang++", "own"):
        (tmp_path / name).touch(0o755)
    assert native.compiler() == str(tmp_path / "clang++")
    monkeypatch.setenv("CXX", "own")
    assert native.compiler() == str(tmp_path / "own")


def test_without_a_compiler_one_line_says_so_and_products_compute(tmp_path):
    program = (
        "import jax.numpy as jnp; from nasjax.evaluation.trained import convolution as c;"
        "f = lambda: c.conv2d(jnp.ones((1, 3, 3, 8)), jnp.ones((72, 8)), jnp.ones(8), 3, 1);"
        "print(f().sum(), f().sum())"
    )
    done = run(program, CXX="", PATH=str(tmp_path), HOME=str(tmp_path))
    # Nine pixels of eight channels, plus one: 73, for eight filters.
    assert done.stdout.split() == ["584.0", "584.0"]
    (line,) = [line for line in done.stderr.splitlines() if native.WITHOUT in line]
    assert "no C++ compiler found (install g++ or clang++, or set CXX)" in line


def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'error: out of patience' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(RuntimeError, match=f"{broken} .*: error: out of patience"):
        native.build()


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Folders of the test's own, and the lines that its compiler leaves, one a call."""
    compiler, log = tmp_path / "compiler", tmp_path / "log"
    compiler.write_text(f'#!/bin/sh\necho called >> {log}\nfor out; do :; done\necho it > "$out"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ignored = shutil.ignore_patterns("build")
    copied = shutil.copytree(native.SOURCES, tmp_path / "native", ignore=ignored)
    monkeypatch.setattr(native, "SOURCES", copied)
    return lambda: log.read_text().count("called")


def test_a_library_that_is_not_as_it_was_built_is_built_again(calls):
    library = native.build()
    assert native.build() == library and calls() == 1
    whole = library.read_bytes()
    for i, damaged in enumerate((whole[:1], b"", b"garbage", whole + b"x"), 2):
        library.write_bytes(damaged)
        assert native.build() == library and calls() == i
        assert library.read_bytes() == whole


def test_a_library_that_others_may_write_is_not_taken(calls):
    library = native.build()
    library.parent.chmod(0o777)
    elsewhere = native.build()
    assert elsewhere.parent == Path.home() / ".cache" / "nasjax" / "native" and calls() == 2
    elsewhere.parent.chmod(0o777)
    with pytest.raises(OSError, match="others may write to"):
        native.build()


def test_the_module_compiles_ahead_or_says_in_a_line_why_not(calls, monkeypatch):
    module = "nasjax.evaluation.trained.native.__main__"
    runpy.run_module(module, run_name="__main__")
    assert calls() == 1
    monkeypatch.setenv("CXX", "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=f"{native.WITHOUT}: no C\\+\\+ compiler found"):
        runpy.run_module(module, run_name="__main__")


def test_the_environment_turns_kernels_off(monkeypatch):
    monkeypatch.setenv("NASJAX_NATIVE", "0")
    assert not native.load()


def test_another_processor_or_compiler_gets_a_library_of_its_own(monkeypatch):
    here = native._digest("c++")
    assert here == native._digest("c++") != native._digest("clang++")
    monkeypatch.setattr(native, "_processor", lambda: "another")
    assert native._digest("c++") != here


def run(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
