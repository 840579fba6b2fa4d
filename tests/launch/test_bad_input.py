"""Every mistake at the command line ends in one clear line, code 2, and loses nothing.

One process imports the command (seconds); every case is a fork of it, so the cases are real runs.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from launch import report

ROOT = pathlib.Path(__file__).parents[2]
DIGITS = "--config=configs/trl_hpo/digits.py"
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
# Reads lines of [arguments, path of a sign]; answers [code, stdout, stderr] for each. A case with
# a sign gets a SIGTERM as soon as that path exists.
SERVER = """
import json, os, signal, sys, tempfile, time, traceback
import orbax.checkpoint
from launch import command_line, search
for line in sys.stdin:
    arguments, sign = json.loads(line)
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    child = os.fork()
    if not child:
        os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2)
        sys.argv = ["search.py", *arguments]
        try:
            command_line.start(search.main)
        except SystemExit as ended:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(ended.code or 0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    ended = 0
    while sign and not ended and not os.path.exists(sign):
        time.sleep(0.02)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        if sign:
            os.kill(child, signal.SIGTERM)
        status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    out.seek(0), err.seek(0)
    print(json.dumps([code, out.read().decode(), err.read().decode()]), flush=True)
"""


class Server:
    """Runs the search command; `cache` is where it keeps data, programs and results."""

    def __init__(self, cache: pathlib.Path):
        self.cache = cache
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=ROOT,
            env={**os.environ, "NASJAX_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self, *arguments: object, sign: pathlib.Path | None = None
    ) -> tuple[int, str, str]:
        assert self._process.stdin and self._process.stdout
        request = [[str(a) for a in arguments], str(sign) if sign else None]
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code, out, err = json.loads(self._process.stdout.readline())
        return code, out, err

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    cache = tmp_path_factory.mktemp("cache")
    programs = getattr(request.config, "cache", None)
    if programs is not None:  # compiled ones are kept between runs of the tests, no results
        (cache / "xla").symlink_to(programs.mkdir("xla"))
    server = Server(cache)
    yield server
    server.close()


CONFIGS = {  # name -> content of a config file of the user's own
    "syntax.py": "def get_config(:\n",
    "none_such.py": "import no_such_module\n",
    "raises.py": "def get_config():\n    raise RuntimeError('boom')\n",
    "key.py": "def get_config():\n    return {}['a']\n",
    "no_function.py": "x = 1\n",
    "plain.py": "def get_config():\n    return {'seed': 0}\n",
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
    (["--config.evaluator.batch_size=5000"], ["batch_size=5000", "928"]),
    (["--wrokdir=x"], ["wrokdir", "workdir"]),
    (["stray"], ["'stray'", "--help"]),
    (["--config=configs/no.py"], ["configs/no.py", "No such file"]),
    (["--config=configs"], ["--config=configs ", "Is a directory"]),
    (["--config=syntax.py"], ["syntax.py:1"]),
    (["--config=none_such.py"], ["none_such.py", "no_such_module"]),
    (["--config=raises.py"], ["raises.py", "boom", ":2)"]),
    (["--config=key.py"], ["key.py", "KeyError", ":2)"]),
    (["--config=no_function.py"], ["no_function.py", "get_config"]),
    (["--config=plain.py"], ["plain.py", "ConfigDict"]),
    (["--cache_dir={file}"], ["cache_dir", "{file}"]),
    (["--workdir={file}"], ["--workdir={file}", "File exists"]),
    (["--workdir={file}/below"], ["--workdir={file}/below", "Not a directory"]),
]


@pytest.mark.parametrize(("arguments", "words"), CASES, ids=lambda value: str(value[0])[:40])
def test_a_mistake_ends_in_one_line_and_code_2(
    search: Server, tmp_path: pathlib.Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "file").touch()
    for name, content in CONFIGS.items():
        (tmp_path / name).write_text(content)
    own = {f"--config={name}": f"--config={tmp_path / name}" for name in CONFIGS}
    given = [own.get(a, a).format(file=tmp_path / "file") for a in arguments]
    workdir = tmp_path / "run"
    config = [] if given[0].startswith("--config=") else [DIGITS]
    code, out, err = search(*config, f"--workdir={workdir}", *given)
    line = err.splitlines()[-1]
    assert code == 2 and out == "" and line.startswith("error: ") and "Traceback" not in err
    others = [text for text in err.splitlines()[:-1] if "compilation cache" not in text]
    assert [text for text in others if "warnings.warn" not in text] == []
    for word in words:
        assert word.format(file=tmp_path / "file") in line
    assert not workdir.exists()


@pytest.mark.parametrize("arguments", [[], [DIGITS], ["--workdir=x"]])
def test_config_and_workdir_are_asked_for(search: Server, arguments: list[str]) -> None:
    code, _, err = search(*arguments)
    assert code == 2 and err.count("\n") == 1
    assert "--config=configs/NAME.py and --workdir=DIRECTORY" in err


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_no_error(search: Server, flag: str) -> None:
    code, out, err = search(flag)
    assert code == 0 and err == "" and "--helpfull" in out


def rows(workdir: pathlib.Path) -> list[dict]:
    """The records without what depends on the machine."""
    lines = map(json.loads, (workdir / "events.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k != "physical"} for row in lines]


def test_a_search_stopped_by_a_signal_goes_on_to_the_same_records(
    search: Server, tmp_path: pathlib.Path
) -> None:
    """Stopped before its first round, then after it; --nostore: nothing is had from elsewhere."""
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    command = [*SMALL, "--nostore", f"--workdir={stopped}"]
    for sign in (stopped / "config.json", stopped / "checkpoints" / "1"):
        code, _, err = search(*command, sign=sign)
        assert code == 130 and "Traceback" not in err
        assert err.splitlines()[-1].startswith(("stopped; ", "interrupted"))
    code, out, err = search(*command)
    assert code == 0 and "best CNN" in out and "error" not in err
    assert search(*SMALL, f"--workdir={whole}")[0] == 0
    assert rows(stopped) == rows(whole) and len(rows(whole)) == 4  # a candidate and a round, twice

    # A finished run: asked again it changes nothing; another config is refused.
    before = (whole / "events.jsonl").read_bytes()
    assert search(*SMALL, f"--workdir={whole}")[1].startswith("best CNN")
    assert (whole / "events.jsonl").read_bytes() == before
    code, _, err = search(*SMALL, f"--workdir={whole}", "--config.evaluator.epochs=2")
    assert code == 2 and "config.evaluator.epochs=1, this one has 2" in err


def test_a_damaged_result_store_is_named(search: Server, tmp_path: pathlib.Path) -> None:
    (tmp_path / "results.sqlite").write_bytes(b"no database " * 1000)
    code, _, err = search(*SMALL, f"--workdir={tmp_path / 'run'}", f"--cache_dir={tmp_path}")
    assert code == 2 and f"{tmp_path}/results.sqlite" in err.splitlines()[-1]


def test_the_report_says_what_it_needs(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([str(tmp_path)]) == 2
    assert "config.json and events.jsonl" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        report.main([])
