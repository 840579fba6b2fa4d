"""The tables are what their benchmarks published, and anything else is refused in one line."""

import hashlib
import io
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.data import tables
from nasjax.data.tables import Table, cost_names, data_sets, load_networks, load_table
from nasjax.errors import UserError

THIRD_PARTY = pathlib.Path(__file__).parents[2] / "third_party"
FOLDERS = (
    *("accel_nasbench", "help_latency", "hw_nas_bench"),
    *("nas_bench_201", "nas_bench_macro", "one_proxy"),
)
NONE, SKIP, CONV1, CONV3, POOL = range(5)
EDGETPU = "hw_nas_bench/edgetpu_latency_ms"


def row_of(table: Table, *ops: int) -> int:
    (row,) = np.flatnonzero((table.ops == ops).all(1))
    return int(row)


# The benchmarks' papers; NAS-Bench-201: best validation and best test accuracy in percent.
@pytest.mark.parametrize(
    ("data_set", "best_search", "best_reported", "num_classes"),
    [
        ("cifar10", 91.61, 94.37, 10),
        ("cifar100", 73.49, 73.51, 100),
        ("imagenet16", 46.73, 47.31, 120),
    ],
)
def test_cells_have_the_published_accuracies(
    data_set: str, best_search: float, best_reported: float, num_classes: int
) -> None:
    table = load_table("nas_bench_201", data_set)
    assert_allclose(table.search_accuracy.max(), best_search / 100, atol=5e-5)
    assert_allclose(table.reported_accuracy.max(), best_reported / 100, atol=5e-5)
    # A net that never sees its input answers one class: exactly chance on a balanced test split.
    blind = row_of(table, *[NONE] * 6)
    assert_allclose(table.reported_accuracy[blind], 1 / num_classes, rtol=1e-6)
    assert table.search_accuracy.min() > 0 and table.reported_accuracy.min() > 0
    assert not np.array_equal(table.search_accuracy, table.reported_accuracy)


def test_every_cell_is_there_once_in_official_order() -> None:
    ops = load_table("nas_bench_201", "cifar10").ops
    assert (ops.shape, ops.dtype) == ((15625, 6), np.int8)
    assert set(map(tuple, ops.tolist())) == set(itertools.product(range(5), repeat=6))
    # Official indices 0 and 1, printed in HW-NAS-Bench's and NAS-Bench-201's READMEs.
    assert ops[0].tolist() == [POOL, CONV1, SKIP, CONV1, SKIP, SKIP]
    assert ops[1].tolist() == [CONV3, CONV3, POOL, SKIP, CONV3, SKIP]


def test_params_and_macs_of_cells_follow_from_their_convolutions() -> None:
    # Stages of 5 cells with 16, 32, 64 channels on 32, 16, 8 pixels; a convolution C to C has
    # k k C C weights and a batch norm of 2 C. An edge costs the same multiply-adds in each stage.
    table = load_table("nas_bench_201", "imagenet16")
    conv1, conv3 = (table.ops == CONV1).sum(1), (table.ops == CONV3).sum(1)
    squares, channels = 16**2 + 32**2 + 64**2, 16 + 32 + 64
    edge1, edge3 = 5 * (squares + 2 * channels), 5 * (9 * squares + 2 * channels)
    assert_array_equal(table.params, 73306 + conv1 * edge1 + conv3 * edge3)
    pixels = 32 * 32 * 16 * 16 * 3 * 5
    # Stem 3 to 16, two residual blocks (3x3, 3x3, 1x1 beside), the classifier with its bias.
    rest = 432 * 32**2 + 2 * (4608 + 9216 + 512) * 16**2 + 65 * 10
    assert_array_equal(table.macs, rest + (conv1 + 9 * conv3) * pixels)
    assert (table.macs.min(), table.macs.max()) == (7783050, 220119690)  # published, in millions
    assert (table.params.min(), table.params.max()) == (73306, 1531546)


def macro_layer(op: int, c_in: int, c_out: int, stride: int, size: int) -> tuple[int, int]:
    """Parameters and multiply-adds of a layer of NAS-Bench-Macro on size x size inputs."""
    out = (size // stride) ** 2
    if op == 0:
        weights, norm = (0, 0) if stride == 1 else (c_in * c_out, c_out)
        return weights + 2 * norm, weights * out
    kernel, hidden = {1: (3, 3 * c_in), 2: (5, 6 * c_in)}[op]
    depthwise = kernel**2 * hidden
    params = c_in * hidden + depthwise + hidden * c_out + 2 * (2 * hidden + c_out)
    return params, c_in * hidden * size**2 + (depthwise + hidden * c_out) * out


def test_params_and_macs_of_chains_follow_from_their_blocks() -> None:
    table = load_table("nas_bench_macro", "cifar10")
    params = 3 * 9 * 32 + 64 + 256 * 1280 + 2560 + 1281 * 10  # stem, last convolution, classifier
    macs = 3 * 9 * 32 * 32**2 + 256 * 1280 * 4**2 + 1280 * 10
    expected = np.tile([params, macs], (len(table.ops), 1))
    channels, size = 32, 32
    for layer in range(8):
        stride = 2 if layer in (0, 2, 5) else 1
        cost = [macro_layer(op, channels, channels * stride, stride, size) for op in range(3)]
        expected += np.array(cost)[table.ops[:, layer]]
        channels, size = channels * stride, size // stride
    assert_array_equal(table.params, expected[:, 0])
    assert_array_equal(table.macs, expected[:, 1])  # unlike NAS-Bench-201's, without biases


def test_macro_searches_on_one_training_and_reports_the_other_two() -> None:
    table = load_table("nas_bench_macro", "cifar10")
    assert set(map(tuple, table.ops.tolist())) == set(itertools.product(range(3), repeat=8))
    mean = (table.search_accuracy.astype(float) + 2 * table.reported_accuracy) / 3
    assert_allclose([mean.min(), mean.max()], [0.4536, 0.9313], atol=5e-5)  # published
    # The json's first entry: 45.32 | 45.33, 45.44.
    assert_allclose(table.search_accuracy[0], 0.4532, atol=1e-6)
    assert_allclose(table.reported_accuracy[0], 0.45385, atol=1e-6)


def test_macro_chains_that_are_one_net_have_one_result() -> None:
    # Beyond a stage's first layer an identity does nothing, wherever it stands: 3 x 3 different
    # stages of two layers, 3 x (1 + 2 + 4) of three.
    table = load_table("nas_bench_macro", "cifar10")
    results: dict[tuple[int, ...], set[tuple[float, float]]] = {}
    for ops, *result in zip(
        table.ops.tolist(), table.search_accuracy, table.reported_accuracy, strict=True
    ):
        net: list[int] = []
        for first, end in ((0, 2), (2, 5), (5, 8)):
            kept = [op for op in ops[first + 1 : end] if op]
            net += [ops[first], *kept, *[0] * (end - first - 1 - len(kept))]
        results.setdefault(tuple(net), set()).add(tuple(result))
    assert len(results) == 9 * 21 * 21
    assert {len(found) for found in results.values()} == {1}


def test_costs_are_those_printed_by_hw_nas_bench() -> None:
    names = cost_names("nas_bench_201", "cifar10")[:9]
    table = load_table("nas_bench_201", "cifar10", names)
    printed = {  # README of GATECH-EIC/HW-NAS-Bench, index 0 on CIFAR-10
        "edgegpu_latency_ms": 5.807418537139893,
        "edgegpu_energy_mJ": 24.226614330768584,
        "raspi4_latency_ms": 10.481976820010459,
        "edgetpu_latency_ms": 0.9571811309997429,
        "pixel3_latency_ms": 3.6058499999999998,
        "eyeriss_latency_ms": 3.645620000000001,
        "eyeriss_energy_mJ": 0.6872827644999999,
        "fpga_latency_ms": 2.57296,
        "fpga_energy_mJ": 18.01072,
    }
    assert names == tuple(f"hw_nas_bench/{name}" for name in printed)
    assert_allclose(table.costs[0], list(printed.values()), rtol=1e-7)


@pytest.mark.parametrize("name", ["nas_bench_201", "nas_bench_macro"])
def test_the_size_of_a_network_is_a_cost_too(name: str) -> None:
    table = load_table(name, "cifar10", ["network/macs_m", "network/params_m"])
    assert_allclose(table.costs, np.stack([table.macs, table.params], 1) / 1e6, rtol=1e-6)


def test_what_a_device_cannot_run_costs_infinitely_much() -> None:
    for data_set in data_sets("nas_bench_201"):
        names = cost_names("nas_bench_201", data_set)
        costs = load_table("nas_bench_201", data_set, names).costs
        assert (costs.shape, costs.dtype) == ((15625, len(names)), np.float32)
        assert (costs > 0).all()  # no NaN either
        infinite = dict(zip(names, np.isinf(costs).sum(0), strict=True))
        assert infinite.pop(EDGETPU) == 4699
        assert set(infinite.values()) == {0}


# Table 4 in the README of HayeonLee/HELP: cells found, their milliseconds and CIFAR-100 accuracy.
@pytest.mark.parametrize(
    ("device", "ops", "latency_ms", "accuracy"),
    [
        ("fpga", (CONV3, CONV3, CONV3, SKIP, CONV3, CONV3), 7.4, 73.5),
        ("pixel2", (CONV3, CONV3, CONV3, SKIP, CONV3, CONV1), 25.0, 73.2),
        ("gold_6226", (SKIP, CONV3, NONE, SKIP, CONV1, SKIP), 8.0, 67.3),
        ("titan_rtx_256", (CONV3, NONE, CONV1, SKIP, CONV1, NONE), 17.8, 69.7),
    ],
)
def test_latencies_are_those_printed_by_help(
    device: str, ops: tuple[int, ...], latency_ms: float, accuracy: float
) -> None:
    table = load_table("nas_bench_201", "cifar100", [f"help/{device}_ms"])
    row = row_of(table, *ops)
    assert_allclose(table.costs[row], [latency_ms], atol=0.05)
    assert_allclose(table.reported_accuracy[row], accuracy / 100, atol=5.1e-4)


def test_help_has_27_devices_four_of_them_hw_nas_benchs() -> None:
    names = cost_names("nas_bench_201", "cifar10")
    assert sum(name.startswith("help/") for name in names) == 27
    assert not any(name.startswith("help/") for name in cost_names("nas_bench_201", "imagenet16"))
    for device in ("eyeriss", "fpga", "pixel3", "raspi4"):
        pair = (f"help/{device}_ms", f"hw_nas_bench/{device}_latency_ms")
        costs = load_table("nas_bench_201", "cifar10", pair).costs
        assert_array_equal(costs[:, 0], costs[:, 1])


def test_costs_come_in_the_order_asked_for() -> None:
    asked = ("help/pixel2_ms", EDGETPU)
    table, turned = (load_table("nas_bench_201", "cifar10", c) for c in (asked, asked[::-1]))
    assert (table.cost_names, turned.cost_names) == (asked, asked[::-1])
    assert_array_equal(table.costs, turned.costs[:, ::-1])
    assert load_table("nas_bench_201", "cifar10").costs.shape == (15625, 0)


# Rows of the sources: by its column, one measurement each; how many in a column are missing.
@pytest.mark.parametrize(
    ("name", "shape", "row", "measured", "missing"),
    [
        ("accel_nasbench", (5138, 28), 0, {"top1_percent": 59.368, "params": 2_501_160}, 37 + 44),
        ("help_fbnet", (5000, 22), 0, {"1080ti_1_ms": 10.61534973, "2080ti_1_ms": 7.13159169}, 0),
        ("help_ofa", (5000, 46), 0, {"2080ti_1_ms": 12.08193779, "titan_rtx_1_ms": 4.37344551}, 0),
        ("one_proxy", (1999, 6), 0, {"eagle_cpu_855_ms": 12.016, "eagle_dsp_855_ms": 2.834}, 0),
    ],
)
def test_measured_networks_are_there(
    name: str, shape: tuple[int, int], row: int, measured: dict[str, float], missing: int
) -> None:
    networks = load_networks(name)
    assert (networks.architectures.shape, networks.architectures.dtype) == ((*shape, 1), np.int32)
    codes = set(networks.architectures.ravel().tolist())
    assert codes == set(range(1, len(networks.op_names) + 1))
    for column, value in measured.items():
        assert_allclose(networks.columns[column][row], value, rtol=1e-7)
    columns = {key: values for key, values in networks.columns.items() if "std" not in key}
    assert all(len(values) == shape[0] for values in columns.values())
    tpus = [column for column in columns if column.startswith("tpu")] or list(columns)
    assert sum(int(np.isnan(columns[column]).sum()) for column in tpus) == missing
    assert all(np.nanmin(values) > 0 for values in columns.values())


def test_measured_networks_are_encoded_as_their_sources_say() -> None:
    def spoken(name: str) -> list[str]:
        networks = load_networks(name)
        return [networks.op_names[code - 1] for code in networks.architectures[0, :, 0]]

    # The first rows: e 6, k 3, l 1, no se, then e 4, k 5, l 2, no se, ...; resolution 204, depth 2,
    # kernel 7 and expansion 6, kernel 5 and expansion 4, ...; index 910.
    assert spoken("accel_nasbench")[:8] == ["e6", "k3", "l1", "se0", "e4", "k5", "l2", "se0"]
    assert spoken("help_fbnet")[:4] == ["k5_e6", "skip", "k3_e1_g2", "skip"]
    assert spoken("help_ofa")[:6] == ["r204", "d2", "k7", "e6", "k5", "e4"]
    cells = load_table("nas_bench_201", "cifar10").ops
    assert_array_equal(load_networks("one_proxy").architectures[0, :, 0], cells[910] + 1)


def test_unknown_networks_end_in_one_line_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="'fbnet'.*accel_nasbench.*help_fbnet"):
        load_networks("fbnet")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("nas_bench_101", "cifar10"), ("space.name='nas_bench_101'", "nas_bench_201, nas_bench_")),
        (("nas_bench_201", "cifar"), ("evaluator.data_set='cifar'", "cifar10, cifar100, imagenet")),
        (("nas_bench_macro", "cifar100"), ("evaluator.data_set='cifar100'", "known: cifar10")),
        (("nas_bench_201", "cifar10", ["edgetpu"]), ("evaluator.costs='edgetpu'", EDGETPU)),
        (("nas_bench_201", "imagenet16", ["help/pixel2_ms"]), ("imagenet16", "known: hw_nas")),
        (("nas_bench_macro", "cifar10", [EDGETPU]), ("evaluator.costs=", "known: network/macs_m")),
    ],
)
def test_an_unknown_name_ends_in_one_line_with_the_known_ones(
    arguments: tuple, parts: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        load_table(*arguments)
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.fixture
def copied(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """NAS-Bench-Macro's file where it may be damaged."""
    (tmp_path / "nas_bench_macro").mkdir()
    path = tmp_path / "nas_bench_macro" / "table.npz"
    shutil.copyfile(THIRD_PARTY / "nas_bench_macro" / "table.npz", path)
    monkeypatch.setattr(tables, "_THIRD_PARTY", tmp_path)
    assert len(load_table("nas_bench_macro", "cifar10").ops) == 6561
    return path


def refusal(path: pathlib.Path) -> str:
    with pytest.raises(UserError) as caught:
        load_table("nas_bench_macro", "cifar10")
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_a_truncated_changed_or_missing_file_ends_in_one_line(copied: pathlib.Path) -> None:
    content = copied.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (content[:middle], b"", changed):
        copied.write_bytes(damaged)
        message = refusal(copied)
        assert hashlib.sha256(damaged).hexdigest() in message
        assert hashlib.sha256(content).hexdigest() in message
    copied.unlink()
    assert "No such file" in refusal(copied)


def test_another_version_ends_in_one_line(
    copied: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with np.load(copied, allow_pickle=False) as old:
        arrays = dict(old)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**arrays, "version": np.int32(2)})
    copied.write_bytes(buffer.getvalue())
    assert "another nasjax" in refusal(copied)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    monkeypatch.setitem(tables._SHA256, "nas_bench_macro", digest)
    assert "version=2; allowed: 1" in refusal(copied)


def test_third_party_is_small_and_every_folder_says_what_it_is() -> None:
    folders = (*FOLDERS, "ncnn_devices")
    there = {path.name for path in THIRD_PARTY.iterdir() if path.is_dir()} - {"__pycache__"}
    assert there == set(folders)
    total = sum(path.stat().st_size for path in THIRD_PARTY.rglob("*") if path.is_file())
    assert total < 10_000_000
    for folder in folders:
        licence = (THIRD_PARTY / folder / "LICENSE").read_text(encoding="utf-8")
        assert "Copyright" in licence
        assert any(name in licence for name in ("MIT License", "Apache", "BSD 3-Clause"))
        metadata = (THIRD_PARTY / folder / "METADATA.md").read_text(encoding="utf-8")
        for word in ("## Origin and licence", "@", "## Columns", "## Caveats", "## How made"):
            assert word in metadata, (folder, word)


def test_files_hold_no_dates_and_no_pickles() -> None:
    for folder in FOLDERS:
        path = THIRD_PARTY / folder / "table.npz"
        with zipfile.ZipFile(path) as file:
            assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        with np.load(path, allow_pickle=False) as table:
            assert all(table[name].dtype != object for name in table)
            assert all(table[name].dtype != np.float64 for name in table)


def test_the_conversion_makes_the_same_bytes_again(tmp_path: pathlib.Path) -> None:
    sources = os.environ.get("NASJAX_TABLE_SOURCES")
    if not sources:
        pytest.skip("NASJAX_TABLE_SOURCES names no folder with the tables' sources")
    command = [sys.executable, THIRD_PARTY / "convert.py", sources, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for folder in FOLDERS:
        made = (tmp_path / folder / "table.npz").read_bytes()
        assert made == (THIRD_PARTY / folder / "table.npz").read_bytes(), folder
        assert f"{folder} {tables._SHA256[folder]}" in done.stdout
    for name in ("networks.csv", "measurements.csv.gz", "devices.json"):
        made = (tmp_path / "ncnn_devices" / name).read_bytes()
        assert made == (THIRD_PARTY / "ncnn_devices" / name).read_bytes(), name


def test_the_conversion_names_what_its_source_lacks(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, THIRD_PARTY / "convert.py", tmp_path, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "SOURCE_DIR lacks" in done.stderr
    assert "Traceback" not in done.stderr
