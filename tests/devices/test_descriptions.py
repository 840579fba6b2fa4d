"""Descriptions of devices: the published ones are complete and named, bad ones are one line."""

import json
import pathlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.data.tables import cost_names, data_sets, load_networks
from nasjax.devices import descriptions
from nasjax.devices.descriptions import CONTEXT, NUMBERS, Setting
from nasjax.errors import UserError

NAN = float("nan")
DEVICES_MD = pathlib.Path(__file__).parents[2] / "third_party" / "DEVICES.md"


def test_a_context_is_the_kind_the_numbers_the_setting_and_the_task() -> None:
    phone = {"kind": "dsp", "mobile": 1, "cores": 4, "clock_ghz": 1.5, "title": "x", "note": "y"}
    setting = Setting("phone", batch=8, precision_bits=16)
    expected = (
        dict(is_cpu=0, is_gpu=0, is_dsp=1, is_npu=0, is_fpga=0, is_asic=0)
        | dict(mobile=1, cores=4, compute_units=NAN, clock_ghz=1.5)
        | dict(memory_gib=NAN, bandwidth_gb_s=NAN)
        | dict(batch=8, threads=NAN, precision_bits=16, image_size=32, classes=NAN)
    )
    assert list(CONTEXT) == list(expected)
    found = descriptions.context(phone, setting, image_size=32)
    assert found.dtype == np.float32
    assert_array_equal(found, np.array(list(expected.values()), np.float32))


def test_only_a_known_kind_has_a_context() -> None:
    with pytest.raises(
        UserError, match="kind='tpu' of a device; it must be one of cpu, gpu, dsp, npu, fpga, asic"
    ):
        descriptions.context({"kind": "tpu"}, Setting("x"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the devices .* are no JSON"),
        ("[]", "must be an object with the key 'devices'"),
        ('{"devices": []}', "must be an object with the key 'devices'"),
        ('{"devices": {"x": 3}}', "devices.x needs a 'kind', one of cpu, gpu, dsp"),
        ('{"devices": {"x": {"cores": 3}}}', "devices.x needs a 'kind', one of cpu, gpu, dsp"),
        ('{"devices": {"x": {"kind": "tpu"}}}', "devices.x needs a 'kind', one of cpu, gpu, dsp"),
        (
            '{"devices": {"x": {"kind": "cpu", "core": 3}}}',
            r"devices.x: unknown key \(did you mean 'cores'\?\); known: bandwidth_gb_s",
        ),
        ('{"devices": {"x": {"kind": "cpu", "cores": -1}}}', "devices.x.cores=-1; .* >= 0"),
        ('{"devices": {"x": {"kind": "cpu", "cores": "4"}}}', "devices.x.cores='4'; .* >= 0"),
        ('{"devices": {"x": {"kind": "cpu", "cores": null}}}', "cores=None; .* leave out unkno"),
        ('{"devices": {"x": {"kind": "cpu", "cores": NaN}}}', "devices.x.cores=nan; .* >= 0"),
        ('{"devices": {"x": {"kind": "cpu", "cores": Infinity}}}', "devices.x.cores=inf; .* >= 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(
    tmp_path: pathlib.Path, content: str, message: str
) -> None:
    path = tmp_path / "devices.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        descriptions.read(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="cannot read the devices .*none.json: No such file"):
        descriptions.read(tmp_path / "none.json")


def test_every_cost_of_a_table_was_measured_on_a_described_device() -> None:
    columns, known = descriptions.published_settings(), descriptions.published()
    tables = [
        (name, data) for name in ("nas_bench_201", "nas_bench_macro") for data in data_sets(name)
    ]
    costs = {cost for table in tables for cost in cost_names(*table) if "network/" not in cost}
    assert len(costs) >= 9 + 27  # HW-NAS-Bench's and HELP's
    for name in ("accel_nasbench", "help_fbnet", "help_ofa", "one_proxy"):
        means = {column for column in load_networks(name).columns if "_std_" not in column}
        costs |= {f"{name}/{column}" for column in means if column.endswith(("_ms", "per_s"))}
    assert costs - columns.keys() == set()
    assert {setting.device for setting in columns.values()} - known.keys() == set()


def test_batch_sizes_are_those_of_the_columns_names() -> None:
    columns = descriptions.published_settings()
    assert columns["help/1080ti_256_ms"] == Setting("1080ti", batch=256)
    assert columns["help/essential_ph_1_ms"] == Setting("essential_ph_1", batch=1)
    assert columns["help/gold_6226_ms"] == Setting("gold_6226", batch=1)
    assert columns["help_ofa/titan_xp_64_ms"] == Setting("titanxp", batch=64)
    assert columns["one_proxy/eagle_jetson_16_ms"] == Setting("jetson_nano", precision_bits=16)
    assert columns["one_proxy/true_a76_ms"] == Setting("pixel4", threads=1)
    for name, setting in columns.items():
        if name.startswith("help") and name.endswith(("_32_ms", "_64_ms", "_256_ms")):
            assert name.endswith(f"_{setting.batch}_ms")


def test_every_device_has_a_title_and_sources() -> None:
    for name, description in descriptions.published().items():
        assert description["title"] and description["sources"], name
        assert all(isinstance(source, str) for source in description["sources"]), name


def test_what_is_not_known_of_a_device_is_explained() -> None:
    """Three numbers or more are missing: then a note or DEVICES.md's list says why."""
    listed = DEVICES_MD.read_text(encoding="utf-8").split("## What is missing")[1]
    for name, description in descriptions.published().items():
        if len(NUMBERS.keys() - description.keys()) >= 3:
            assert "note" in description or f"`{name}`" in listed, name


# Peak multiply-adds a second by the makers' own numbers (TFLOPS / 2; NVIDIA's data sheets, Google's
# documentation of TPU v3), for which units and clock must multiply up.
@pytest.mark.parametrize(
    ("name", "tflops"),
    [("1080ti", 11.3), ("titan_rtx", 16.3), ("a100", 19.5), ("3090", 35.6), ("tpuv3", 123)],
)
def test_units_times_clock_are_the_makers_peak(name: str, tflops: float) -> None:
    description = descriptions.published()[name]
    found = 2 * description["compute_units"] * description["clock_ghz"] / 1000
    np.testing.assert_allclose(found, tflops, rtol=0.005)


def test_numbers_are_plausible_and_the_file_is_tidy() -> None:
    path = DEVICES_MD.with_name("devices.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert list(content) == ["devices", "columns"]
    for name, description in content["devices"].items():
        assert description["mobile"] in (0, 1), name
        # Between Eyeriss and the newest server; GHz, not MHz, and GB, not MB.
        assert 0.2 <= description.get("clock_ghz", 1) <= 5, name
        assert 0.5 <= description.get("memory_gib", 1) <= 80, name
        assert 10 <= description.get("bandwidth_gb_s", 50) <= 2000, name
        assert description.get("compute_units", 9e9) >= description.get("cores", 1), name
