"""Every mistake at the command line ends in one clear line, code 2, and loses nothing."""

import json
import pathlib
import signal
import time

import numpy as np
import pytest

from launch import command_line, report
from tests.commands import UNOPTIMISED, Commands
from tests.test_build import predictor

DIGITS = "--config=configs/trl_hpo/digits.py"
TABLE = "--config=configs/nas_bench_201/autocomet.py"
SMALL = [
    DIGITS,
    "--config.data.train_size=64",
    "--config.data.validation_size=64",
    "--config.space.max_layers=1",
    "--config.controller.models_per_episode=1",
    "--config.controller.updates_per_episode=0",
    "--config.controller.min_size=1",
    "--config.controller.batch_size=1",
    "--config.controller.num_blocks=1",
    "--config.controller.embed_size=8",
    "--config.evaluator.epochs=1",
    "--config.evaluator.validation_batches=4",
    "--config.search.rounds=2",
]
LATENCY = "hw_nas_bench/pixel3_latency_ms"


class Search:
    """Runs the search command; `cache` is where it keeps data, programs and results."""

    def __init__(self, commands: Commands, cache: pathlib.Path):
        self._commands, self._cache = commands, cache

    def __call__(
        self, *arguments: object, sign: pathlib.Path | None = None
    ) -> tuple[int, str, str]:
        """Code, stdout and stderr; stopped by a SIGTERM as soon as the path `sign` exists."""
        env = UNOPTIMISED | {"NASJAX_CACHE_DIR": str(self._cache)}
        process = self._commands.start("search", *arguments, env=env)
        while sign and process.poll() is None:
            if sign.exists():
                process.send_signal(signal.SIGTERM)
                break
            time.sleep(0.02)
        return process.wait()


@pytest.fixture(scope="module")
def search(
    commands: Commands, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Search:
    cache = tmp_path_factory.mktemp("cache")
    programs = getattr(request.config, "cache", None)
    if programs is not None:  # compiled ones are kept between runs of the tests, no results
        (cache / "xla").symlink_to(programs.mkdir("xla"))
    return Search(commands, cache)


CONFIGS = {  # name -> content of a config file of the user's own
    "syntax.py": "def get_config(:\n",
    "none_such.py": "import no_such_module\n",
    "raises.py": "def get_config():\n    raise RuntimeError('boom')\n",
    "key.py": "def get_config():\n    return {}['a']\n",
    "no_function.py": "x = 1\n",
    "plain.py": "def get_config():\n    return [0]\n",
}
SECTION = "--config.controller"
# (arguments, words of the one line)
CASES = [
    ([f"{SECTION}.num_head=8"], ["num_head", "num_heads"]),
    (["--config.controler.num_heads=8"], ["--config.controler.num_heads=8", "'controller'"]),
    (["--config.seed.x=1"], ["--config.seed.x=1", "no key"]),
    ([f"{SECTION}.num_heads=abc"], [f"{SECTION}.num_heads=abc", "whole number"]),
    (["--config.seed=1.5"], ["--config.seed=1.5", "whole number"]),
    ([f"{SECTION}.dropout=x"], [f"{SECTION}.dropout=x", "a number"]),
    (["--config.data.download=maybe"], ["download=maybe", "true or false"]),
    (["--config.evaluator.conv_widths=(1.5,)"], ["conv_widths[0]=1.5", "int"]),
    ([f"{SECTION}.num_heads=3"], ["num_heads=3", "embed_size=64"]),
    ([f"{SECTION}.dropout=1"], ["controller.dropout=1.0", "below 1"]),
    (["--config.evaluator.epochs=0"], ["evaluator.epochs=0", ">= 1"]),
    (["--config.evaluator.learning_rate=nan"], ["learning_rate=nan", "finite"]),
    (["--config.seed=-1"], ["config.seed=-1", "2**32"]),
    (["--config.space.decode=foo"], ["'foo'", "'table1'", "'released'"]),
    (["--config.data.name=minst"], ["'minst'", "digits", "idx:DIR", "tfds:NAME"]),
    (["--config.data.name=idx:/no/such"], ["idx:/no/such", "no such directory"]),
    (["--config.data.train_size=9999"], ["train_size=9999", "1440"]),
    ([f"{SECTION}.name=ddgp"], ["'ddgp'", "random_search", "trl_hpo"]),
    ([f"{SECTION}.min_size=900"], ["min_size=900", "120"]),
    (["--config.search.max_cost=5"], ["search.max_cost=5.0", "None: config.evaluator.costs"]),
    ([TABLE, "--config.search.max_cost=0"], ["search.max_cost=0.0", "> 0 or None"]),
    ([TABLE, f"{SECTION}.target=0"], ["controller.target=0", "> 0 or None"]),
    (
        [TABLE, f"{SECTION}.secondaries=('hw_nas_bench/pixel_latency_ms',)"],
        ["controller.secondaries='hw_nas_bench/pixel_latency_ms'", "did you mean", LATENCY],
    ),
    (
        [TABLE, f"{SECTION}.secondaries=('network/params_m',)"],
        ["controller.target=None", "params_m"],
    ),
    (["--config.evaluator.batch_size=5000"], ["batch_size=5000", "928"]),
    (["--wrokdir=x"], ["wrokdir", "workdir"]),
    (["--driectory=x"], ["driectory", "directory"]),
    (["--nostore=1"], ["nostore"]),
    (["stray"], ["'stray'", "--help"]),
    (["--config=configs/no.py"], ["configs/no.py", "no file", "trl_hpo/digits"]),
    (["--config=configs"], ["--config=configs ", "is a directory"]),
    (
        ["--config=trl_hpo/digist"],
        ["=trl_hpo/digist is no file", "first: trl_hpo/digits, "],
    ),
    (["--config="], ["--config=NAME and --directory=DIRECTORY are needed"]),
    (["--config=syntax.py"], ["syntax.py:1"]),
    (["--config=none_such.py"], ["none_such.py", "no_such_module"]),
    (["--config=raises.py"], ["raises.py", "boom", ":2)"]),
    (["--config=key.py"], ["key.py", "KeyError", ":2)"]),
    (["--config=no_function.py"], ["no_function.py", "get_config"]),
    (["--config=plain.py"], ["plain.py", "a dict or a ConfigDict"]),
    (["--cache_dir={file}"], ["cache_dir", "{file}"]),
    (["--directory={file}"], ["--directory={file}", "File exists"]),
    (["--directory={file}/below"], ["--directory={file}/below", "Not a directory"]),
]


@pytest.mark.parametrize(("arguments", "words"), CASES, ids=lambda value: str(value[0])[:40])
def test_a_mistake_ends_in_one_line_and_code_2(
    search: Search, tmp_path: pathlib.Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "file").touch()
    for name, content in CONFIGS.items():
        (tmp_path / name).write_text(content)
    own = {f"--config={name}": f"--config={tmp_path / name}" for name in CONFIGS}
    given = [own.get(a, a).format(file=tmp_path / "file") for a in arguments]
    workdir = tmp_path / "run"
    config = [] if given[0].startswith("--config=") else [DIGITS]
    code, out, err = search(*config, f"--directory={workdir}", *given)
    line = err.splitlines()[-1]
    assert code == 2 and out == "" and line.startswith("error: ") and "Traceback" not in err
    others = [text for text in err.splitlines()[:-1] if "compilation cache" not in text]
    assert [text for text in others if "warnings.warn" not in text] == []
    for word in words:
        assert word.format(file=tmp_path / "file") in line
    assert not workdir.exists()


@pytest.mark.parametrize(
    "arguments", [[], [DIGITS], ["--directory=x"], ["--workdir=x"], ["--config.seed=1"]]
)
def test_config_and_directory_are_asked_for(search: Search, arguments: list[str]) -> None:
    code, _, err = search(*arguments)
    assert code == 2 and err.count("\n") == 1
    assert "--config=NAME and --directory=DIRECTORY are needed, e.g. --config=trl_hpo/" in err


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_no_error(search: Search, flag: str) -> None:
    code, out, err = search(flag)
    assert code == 0 and err == ""
    assert "--directory=DIRECTORY" in out and "--config.KEY=VALUE" in out


def rows(workdir: pathlib.Path) -> list[dict]:
    """The records without what depends on the machine."""
    lines = map(json.loads, (workdir / "events.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k != "physical"} for row in lines]


@pytest.mark.long
def test_a_search_stopped_by_a_signal_goes_on_to_the_same_records(
    search: Search, tmp_path: pathlib.Path
) -> None:
    """Stopped before its first round, then after it; --nostore: nothing is had from elsewhere."""
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    command = [*SMALL, "--nostore", f"--workdir={stopped}"]
    for sign in (stopped / "config.json", stopped / "checkpoints" / "1"):
        code, _, err = search(*command, sign=sign)
        assert code == 130 and "Traceback" not in err
        assert err.splitlines()[-1].startswith(("stopped; ", "interrupted"))
    code, out, err = search(*command)
    assert code == 0 and "best network" in out and "error" not in err
    assert search(*SMALL, f"--workdir={whole}")[0] == 0
    assert rows(stopped) == rows(whole) and len(rows(whole)) == 4  # a candidate and a round, twice

    # A finished run: asked again it changes nothing; another config is refused.
    before = (whole / "events.jsonl").read_bytes()
    assert search(*SMALL, f"--workdir={whole}")[1].startswith("best network")
    assert (whole / "events.jsonl").read_bytes() == before
    code, _, err = search(*SMALL, f"--workdir={whole}", "--config.evaluator.epochs=2")
    assert code == 2 and "config.evaluator.epochs=1, this one has 2" in err

    # Begun with other images: refused, the records untouched.
    path = whole / "environment.json"
    kept = json.loads(path.read_text())
    assert {"data", "engine", "kernels", "jax", "device_kind"} <= kept.keys()
    path.write_text(json.dumps(kept | {"data": "another"}))
    code, _, err = search(*SMALL, f"--workdir={whole}")
    assert code == 2 and "was begun with data=another, now it is" in err
    assert (whole / "events.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "name", [pytest.param("autocomet", marks=pytest.mark.long), "regularized_evolution"]
)
def test_a_limit_that_nothing_keeps_ends_in_a_summary(
    search: Search, tmp_path: pathlib.Path, name: str
) -> None:
    run = tmp_path / "run"
    config = f"--config=configs/nas_bench_201/{name}.py"
    flags = [f"--config.evaluator.costs=('{LATENCY}',)", "--config.search.rounds=4"]
    code, out, err = search(config, *flags, "--config.search.max_cost=0.001", f"--workdir={run}")
    assert code == 0 and "Traceback" not in err
    costs = [row["costs"][LATENCY] for row in rows(run) if row["event"] == "candidate"]
    least, measured = min(costs), {"autocomet": 5}.get(name, 4)  # it validates once
    line = (
        f"none of {measured} measured rows keeps search.max_cost=0.001 of {LATENCY}; the least is"
    )
    assert out.splitlines()[0] == f"best network   none: {line} {least:.4g}"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["best"] is summary["best_noise_free"] is summary["test_accuracy"] is None
    assert summary["queries"] == 4 and summary["no_answer"].startswith(line)
    assert not (run / "final_test.json").exists()
    assert f"There is no answer: {line}" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (np.nan, ["config.evaluator.predicted='", "NaN for 15,625 of them"]),
        (np.inf, ["config.evaluator.costs=(", "must be costs that are finite, all of them, for"]),
    ],
)
def test_costs_that_no_search_can_use_are_one_line(
    search: Search, tmp_path: pathlib.Path, cost: float, words: list[str]
) -> None:
    predicted = predictor(tmp_path / "predictor", cost)
    flags = ["--config.evaluator.data_set=cifar10", "--config.evaluator.costs=()"]
    flags += [f"--config.evaluator.predicted=('{predicted}',)", f"--workdir={tmp_path / 'run'}"]
    code, out, err = search(TABLE, *flags)
    line = err.splitlines()[-1]
    assert code == 2 and out == "" and line.startswith("error: ") and "Traceback" not in err
    assert all(word in line for word in words) and "predictor" in line


def test_a_damaged_result_store_is_named(search: Search, tmp_path: pathlib.Path) -> None:
    (tmp_path / "results.sqlite").write_bytes(b"no database " * 1000)
    code, _, err = search(*SMALL, f"--workdir={tmp_path / 'run'}", f"--cache_dir={tmp_path}")
    assert code == 2 and f"{tmp_path}/results.sqlite" in err.splitlines()[-1]


def test_the_report_says_what_it_needs(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(report.COMMAND, [str(tmp_path)]) == 2
    assert "config.json and events.jsonl" in capsys.readouterr().err
    assert command_line.run(report.COMMAND, [str(tmp_path / "nowhere")]) == 2
    assert "nowhere' does not exist" in capsys.readouterr().err
    assert command_line.run(report.COMMAND, []) == 2
    assert capsys.readouterr().err.startswith("error: DIR is needed; see nasjax report --help")
