"""Folders of measurements: what was written is read, packed or not; what is wrong is one line."""

import gzip
import pathlib
import textwrap

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from nasjax.devices import descriptions, measurements
from nasjax.devices.descriptions import Setting
from nasjax.devices.measurements import COLUMNS, Measurements
from nasjax.errors import UserError

NAN, INF = float("nan"), float("inf")
NCNN = pathlib.Path(__file__).parents[2] / "third_party" / "ncnn_devices"
NETWORKS = pd.DataFrame({"network": ["small", "007"], "macs_M": [1.5, 20.0], "layers": [3.0, None]})
DESCRIBED = {
    "phone": {"kind": "cpu", "mobile": 1, "cores": 8, "clock_ghz": 2.5, "title": "A phone"},
    "card": {"kind": "gpu", "compute_units": 3584},
}
ROWS = pd.DataFrame(
    [
        ("small", "phone", 1, 4, 32, "latency", 2.25, "ms", "first"),
        ("007", "card", 64, None, None, "latency", INF, "ms", "second"),
        ("small", "card", 64, None, None, "energy", 0.125, "mJ", "third"),
    ],
    columns=[*COLUMNS, "remark"],
)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    measurements.write(tmp_path / "measured", NETWORKS, DESCRIBED, ROWS)
    return tmp_path / "measured"


def pack(folder: pathlib.Path) -> pathlib.Path:
    """Leaves the rows as a packed file only."""
    packed = folder / "measurements.csv.gz"
    packed.write_bytes(gzip.compress((folder / "measurements.csv").read_bytes()))
    (folder / "measurements.csv").unlink()
    return packed


def assert_is_what_was_written(found: Measurements) -> None:
    assert found.networks == ("small", "007")
    assert found.feature_names == ("macs_M", "layers")
    assert_array_equal(found.features, np.array([[1.5, 3], [20, NAN]], np.float32))
    assert found.settings == (Setting("phone", 1, 4, 32), Setting("card", 64, None, None))
    assert_array_equal(found.network, [0, 1, 0])
    assert_array_equal(found.setting, [0, 1, 1])
    assert found.target.tolist() == ["latency_ms", "latency_ms", "energy_mJ"]
    assert_array_equal(found.values, [2.25, INF, 0.125])
    # Image size and classes were not given, so they are missing.
    #        cpu gpu d n f a  mobile cores units clock mem band batch threads bits
    phone = [1, 0, 0, 0, 0, 0, 1, 8, NAN, 2.5, NAN, NAN, 1, 4, 32, NAN, NAN]
    card = [0, 1, 0, 0, 0, 0, NAN, NAN, 3584, NAN, NAN, NAN, 64, NAN, NAN, NAN, NAN]
    assert_array_equal(found.contexts, np.array([phone, card], np.float32))


def test_what_was_written_is_read(folder: pathlib.Path) -> None:
    assert_is_what_was_written(measurements.read(folder))


def test_packed_rows_are_the_same_and_plain_ones_come_first(folder: pathlib.Path) -> None:
    packed = pack(folder)
    assert_is_what_was_written(measurements.read(folder))
    measurements.write(folder, NETWORKS, DESCRIBED, ROWS[:1])
    assert packed.exists() and len(measurements.read(folder).values) == 1


def test_names_of_digits_stay_names(tmp_path: pathlib.Path) -> None:
    networks = NETWORKS.assign(network=["7", "007"])
    described = {"3090": DESCRIBED["card"], "1e5": DESCRIBED["phone"]}
    rows = ROWS[:2].assign(network=["007", "7"], device=["1e5", "3090"])
    measurements.write(tmp_path, networks, described, rows)
    found = measurements.read(tmp_path)
    assert found.networks == ("7", "007") and found.network.tolist() == [1, 0]
    assert [setting.device for setting in found.settings] == ["1e5", "3090"]


def test_the_task_is_in_every_context(folder: pathlib.Path) -> None:
    contexts = measurements.read(folder, image_size=32, classes=100).contexts
    assert_array_equal(contexts[:, -2:], [[32, 100], [32, 100]])


def test_an_input_is_the_networks_features_and_its_context(folder: pathlib.Path) -> None:
    found = measurements.read(folder)
    inputs = found.inputs()
    assert inputs.shape == (3, 2 + len(descriptions.CONTEXT))
    for row, (network, setting) in enumerate([(0, 0), (1, 1), (0, 1)]):
        assert_array_equal(inputs[row, :2], found.features[network])
        assert_array_equal(inputs[row, 2:], found.contexts[setting])


def test_the_example_of_the_format_is_a_folder_that_is_read(tmp_path: pathlib.Path) -> None:
    example = {
        "networks.csv": "network,macs,params\nsmall,1500000,20000\n",
        "devices.json": (
            '{"devices": {"phone": {"kind": "cpu", "mobile": 1, "cores": 8, "clock_ghz": 2.5}}}\n'
        ),
        "measurements.csv": (
            "network,device,batch,threads,precision_bits,target,value,unit\n"
            "small,phone,1,4,32,latency,2.25,ms\n"
        ),
    }
    for name, text in example.items():
        assert textwrap.indent(text, "    ") in measurements.__doc__
        (tmp_path / name).write_text(text)
    found = measurements.read(tmp_path)
    assert found.settings == (Setting("phone", batch=1, threads=4, precision_bits=32),)
    assert found.select("latency_ms").values.tolist() == [2.25]
    assert_array_equal(found.features, [[1_500_000, 20_000]])


def test_rows_of_one_target_are_kept_in_order(folder: pathlib.Path) -> None:
    found = measurements.read(folder)
    latency = found.select("latency_ms")
    assert_array_equal(latency.values, [2.25, INF])
    assert_array_equal(latency.network, [0, 1])
    assert latency.features is found.features
    with pytest.raises(UserError, match="target='power_W'; there are energy_mJ, latency_ms"):
        found.select("power_W")


def replace(name: str, old: str, new: str):
    """A damage: the text in a file of the folder is another."""

    def damage(folder: pathlib.Path) -> None:
        content = (folder / name).read_text()
        assert old in content
        (folder / name).write_text(content.replace(old, new))

    return damage


def cut(folder: pathlib.Path) -> None:
    packed = pack(folder)
    packed.write_bytes(packed.read_bytes()[:-12])


def flip(folder: pathlib.Path) -> None:
    packed = pack(folder)
    content = bytearray(packed.read_bytes())
    content[20] ^= 255
    packed.write_bytes(content)


CSV = "measurements.csv"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / CSV).unlink(), "cannot read the measurements .*measurements.csv: No such"),
        (lambda f: (f / "networks.csv").unlink(), "cannot read .*networks.csv: No such file"),
        (lambda f: (f / "devices.json").unlink(), "cannot read .*devices.json: No such file"),
        (lambda f: (f / CSV).write_text(""), "measurements.csv is no table of comma-separated"),
        (replace(CSV, "unit", "units"), "measurements.csv lacks the column 'unit'; it needs netw"),
        (replace("networks.csv", "network", "net"), "networks.csv lacks the column 'network'"),
        (replace(CSV, "small,phone", "large,phone"), "network='large' is not in networks.csv"),
        (replace(CSV, "007,card", "7,card"), "network='7' is not in networks.csv"),
        (replace(CSV, "small,phone", "small,tablet"), "device='tablet' is not in devices.json"),
        (replace(CSV, "small,phone", ",phone"), "network='nan' is not in networks.csv"),
        (replace(CSV, "2.25", "fast"), "measurements.csv, line 2: value='fast'; it must be a num"),
        (replace(CSV, "0.125", ""), "measurements.csv, line 4: value is missing; inf: the device"),
        (replace(CSV, "0.125", "-1"), "measurements.csv, line 4: value=-1; it must be above 0, or"),
        (replace(CSV, "2.25", "0"), "measurements.csv, line 2: value=0; it must be above 0, or"),
        (replace(CSV, "inf", "-inf"), "measurements.csv, line 3: value=-inf; it must be above 0"),
        (
            replace("networks.csv", "20.0", "inf"),
            "networks.csv, line 3: macs_M=inf; it must be fin",
        ),
        (
            replace("networks.csv", "\n007,", "\nsmall,"),
            "network='small' is there more than once",
        ),
        (replace(CSV, "phone,1,", "phone,one,"), "measurements.csv, line 2: batch='one'; it must"),
        (
            replace(CSV, "phone,1,", "phone,1.5,"),
            "line 2: batch=1.5; it must be a whole number >= 1",
        ),
        (
            replace(CSV, "phone,1,", "phone,inf,"),
            "line 2: batch=inf; it must be a whole number >= 1",
        ),
        (replace(CSV, "phone,1,", "phone,0,"), "line 2: batch=0; it must be a whole number >= 1"),
        (replace("networks.csv", "20.0", "many"), "networks.csv, line 3: macs_M='many'; it must"),
        (replace("devices.json", '"gpu"', '"tpu"'), "devices.card needs a 'kind', one of cpu, gpu"),
        (lambda f: (f / "devices.json").write_text("[" * 9999), "devices.json are no JSON"),
        (cut, "measurements.csv.gz is no table of comma-separated values"),
        (flip, "measurements.csv.gz"),
        (lambda f: pack(f).write_bytes(b"network,device"), "cannot read .*csv.gz: Not a gzipped"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_in_one_line(
    folder: pathlib.Path, damage, message: str
) -> None:
    damage(folder)
    with pytest.raises(UserError, match=message) as caught:
        measurements.read(folder)
    assert "\n" not in str(caught.value)


def test_numbers_are_no_truth_values(folder: pathlib.Path) -> None:
    for text in ("2.25", "inf", "0.125"):
        replace(CSV, text, "True")(folder)
    with pytest.raises(UserError, match=r"line 2: value=.*True.*; it must be a number"):
        measurements.read(folder)


def test_a_network_may_be_called_na(folder: pathlib.Path) -> None:
    replace("networks.csv", "small", "NA")(folder)
    for _ in range(2):
        path = folder / CSV
        path.write_text(path.read_text().replace("small", "NA"))
    assert measurements.read(folder).networks == ("NA", "007")


def test_only_complete_rows_are_written(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="measurements lacks the column 'batch'"):
        measurements.write(tmp_path, NETWORKS, DESCRIBED, ROWS.drop(columns="batch"))
    with pytest.raises(UserError, match="networks lacks the column 'network'"):
        measurements.write(tmp_path, NETWORKS.drop(columns="network"), DESCRIBED, ROWS)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot write .*taken/networks.csv: File exists"):
        measurements.write(tmp_path / "taken", NETWORKS, DESCRIBED, ROWS)


@pytest.fixture(scope="module")
def ncnn() -> Measurements:
    return measurements.read(NCNN)


# (part of a device's name, network, threads, precision, latency in ms), as ncnn's README prints.
@pytest.mark.parametrize(
    ("device", "network", "threads", "bits", "latency_ms"),
    [
        ("Threadripper 3970X (Zen2 3.7 GHz ~ 4.5 GHz x 32)", "squeezenet", 1, None, 11.78),
        ("Threadripper 3970X (Zen2 3.7 GHz ~ 4.5 GHz x 32)", "vgg16", 1, None, 217.87),
        ("Quadro RTX 8000 (TU102 SM x 72 + Tensor Core x 576) GPU", "mobilenet", None, None, 0.91),
        ("NVIDIA RTX3090 (GA102 SM x 82 + Tensor Core 328) GPU", "resnet50", None, None, 5.80),
        ("Radeon Vega 8 1.1GHz 8CU)", "resnet50_int8", 4, 8, 168.68),
        ("Radeon Vega 8 1.1GHz 8CU) GPU", "squeezenet", None, None, 6.91),
    ],
)
def test_ncnns_latencies_are_those_of_its_readme(
    ncnn: Measurements, device: str, network: str, threads, bits, latency_ms: float
) -> None:
    places = [
        place
        for place, setting in enumerate(ncnn.settings)
        if setting.device.endswith(device)
        and (setting.batch, setting.threads, setting.precision_bits) == (1, threads, bits)
    ]
    rows = np.isin(ncnn.setting, places) & (ncnn.network == ncnn.networks.index(network))
    assert latency_ms in ncnn.values[rows].tolist()


def test_ncnns_rows_are_complete(ncnn: Measurements) -> None:
    assert len(ncnn.networks) == 32 and len(ncnn.values) == 7678
    assert set(ncnn.target.tolist()) == {"latency_ms"}
    assert np.isfinite(ncnn.features).all() and np.isfinite(ncnn.values).all()
    # Published: 1.8 billion multiply-adds of ResNet-18, 15.5 of VGG-16.
    macs = ncnn.features[:, ncnn.feature_names.index("macs")]
    published = {"resnet18": 1.8e9, "vgg16": 15.5e9}
    for network, expected in published.items():
        np.testing.assert_allclose(macs[ncnn.networks.index(network)], expected, rtol=0.02)


def test_no_gpu_has_a_latency_of_a_quantised_network(ncnn: Measurements) -> None:
    """ncnn computes those on the CPU, whatever it is asked for."""
    on_gpu = ncnn.contexts[ncnn.setting, descriptions.CONTEXT.index("is_gpu")] == 1
    quantised = ncnn.features[ncnn.network, ncnn.feature_names.index("int8")] == 1
    assert on_gpu.sum() == 1178 and quantised.sum() > 1000
    assert not (on_gpu & quantised).any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # One kind of cores, two kinds, one of them alone, a core without its number.
        ("Raspberry Pi 5 Broadcom BCM2712, Cortex-A76 (ARMv8) (2.4GHz x 4)", (1, 4, 2.4)),
        ("Rockchip RK3399 (Cortex-A72 1.8GHz x 2 + Cortex-A53 1.5GHz x 4)", (1, 6, 1.8)),
        ("Rockchip RK3399 (Cortex-A72 1.8GHz x 2 + Cortex-A53 1.5GHz x 4) little", (1, 4, 1.5)),
        ("Qualcomm SM8150-AC Snapdragon 855+ (Kyro485 2.96 GHz + 2.42 GHz", (1, 8, 2.96)),
        # Boost after base; MHz; the number first; words; numbers that are names.
        ("AMD Ryzen 5700g (Zen3 3.8 GHz ~ 4.6 GHz x 8)", (0, 8, 4.6)),
        ("Z7-Lite 7020 XC7Z020CLG400-2 (Cortex-A9 766MHz x 2)", (1, 2, 0.766)),
        ("Amlogic S805 (Cortex-A5, 4 × 1.536GHz)", (1, 4, 1.536)),
        ("OrangePi5 Plus, Rockchip RK3588 (Quad Core A76 2.4GHz + Quad", (1, 8, 2.4)),
        ("RDK X3 Module (Cortex-A53 1.5GHz x 4) aarch64", (1, 4, 1.5)),
        ("Intel Atom x5-Z8350", (1, None, None)),
        # Unknown: laptops' place, instances' processors.
        ("MacBook Pro (15-inch, 2019) - 2.6GHz six cores Intel Core i7", (None, 6, 2.6)),
        ("AWS c5.4xlarge Instance", (0, None, None)),
        # GPUs: multiprocessors, compute units, the GPU's clock and not the CPU's.
        ("NVIDIA RTX3090 (GA102 SM x 82 + Tensor Core 328) GPU", (0, 82, None)),
        ("Radxa Orion O6 (Big Cortex‑A720 2.6Ghz x4 + Medium", (1, 12, 2.6)),
        ("NVIDIA Jetson AGX Orin (Cortex-A78AE 2.2 GHz x 12 + Ampere@1.3 GHz", (1, 12, 2.2)),
    ],
)
def test_ncnns_devices_are_what_their_titles_say(name: str, expected: tuple) -> None:
    described = descriptions.read(NCNN / "devices.json")["devices"]
    found = next(described[title] for title in sorted(described) if title.startswith(name))
    assert tuple(found.get(key) for key in ("mobile", "cores", "clock_ghz")) == expected


def test_ncnns_gpus_have_the_gpus_numbers() -> None:
    described = descriptions.read(NCNN / "devices.json")["devices"]
    gpus = {name: numbers for name, numbers in described.items() if numbers["kind"] == "gpu"}
    (orin,) = [numbers for name, numbers in gpus.items() if "AGX Orin" in name]
    (vega,) = [numbers for name, numbers in gpus.items() if "Radeon Vega 8" in name]
    (tesla,) = [numbers for name, numbers in gpus.items() if "V100-PCIE-32GB" in name]
    assert orin == {"kind": "gpu", "mobile": 1, "clock_ghz": 1.3}
    assert vega == {"kind": "gpu", "mobile": 1, "cores": 8, "clock_ghz": 1.1}
    assert tesla == {"kind": "gpu", "mobile": 0, "cores": 80, "memory_gib": 32}
    assert len(gpus) == 47 and len(described) == 144
