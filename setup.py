"""Installs nasjax from a clone: `pip install -c constraints.txt -e .` (or `make search`)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def read_version() -> str:
    """Return `__version__` of nasjax/__init__.py, read as text: nothing is installed yet."""
    text = (ROOT / "nasjax" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('nasjax/__init__.py has no line __version__ = "..."')
    return match.group(1)


# Upper bounds stand where a minor release is known to break its users; the exact versions that were
# tried together are in constraints.txt.
BASE = [
    "absl-py>=2.3",
    "chex>=0.1.92,<0.2",
    "flatbuffers>=24",  # jax.export needs it and does not bring it
    "flax>=0.12,<0.13",
    # tensorflow-datasets imports importlib_resources and declares it below Python 3.9 only
    "importlib_resources>=6",
    "jax>=0.10.2,<0.11",  # brings the jaxlib that fits
    "jinja2>=3.1,<4",
    "matplotlib>=3.10,<4",
    "ml_collections>=1.1,<2",
    "numpy>=2.1,<3",
    "optax>=0.2.8,<0.3",
    "orbax-checkpoint>=0.12,<0.13",
    "pandas>=2.2,<4",
    "psutil>=6,<8",
    "pydantic>=2.11,<3",
    "scikit-learn>=1.7,<2",
    "scipy>=1.14,<2",
    "tensorflow-datasets>=4.9.10,<4.10",
    "tqdm>=4.66",
]

# The build without GPU code (the other's wheel for Linux has 132 MB); there is none for macOS.
XGBOOST = [
    "xgboost-cpu>=3.1,<4; sys_platform != 'darwin'",
    "xgboost>=3.1,<4; sys_platform == 'darwin'",
]
NVML = "nvidia-ml-py>=12,<14"  # power and clock of a GPU, for profiles of it
IMBALANCED = "imbalanced-learn>=0.14.2,<0.15"

EXTRAS = {
    # Fitting boosted trees; nothing else needs it, fitted ones are evaluated in JAX. And SMOTE.
    "predictors": [*XGBOOST, IMBALANCED],
    "dev": [
        "flashbax==0.1.3",
        "import-linter>=2.5,<3",
        "mypy>=2.4,<3",
        "pytest>=9,<10",
        "pytest-xdist>=3.8,<4",
        "ruff>=0.17,<0.18",
        *XGBOOST,
        IMBALANCED,
    ],
    # The stock CPU build of TensorFlow, which tfds needs to prepare a data set, not to read one.
    "prepare": ["tensorflow-cpu>=2.20,<2.22"],
    "gpu": ["jax[cuda13]>=0.10.2,<0.11", NVML],
    "gpu12": ["jax[cuda12]>=0.10.2,<0.11", NVML],  # for drivers too old for CUDA 13
}

setup(
    name="nasjax",
    version=read_version(),
    description="Searches for neural architectures with reinforcement learning, on JAX",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=[
        *find_packages(
            include=[
                *("nasjax", "nasjax.*", "launch", "launch.*"),
                *("configs", "configs.*", "benchmarks"),
            ]
        ),
        "third_party",  # data, not code: beside nasjax, where nasjax.data.tables looks
    ],
    package_data={
        "benchmarks": ["*.json"],
        "nasjax.evaluation.trained.native": ["*.cc", "*.h"],
        "nasjax.reports": ["templates/*.j2", "templates/*/*"],
        "third_party": [
            *("devices.json", "DEVICES.md", "*/LICENSE", "*/METADATA.md", "*/table.npz"),
            *("*/networks.csv", "*/devices.json", "*/measurements.csv.gz"),
        ],
    },
    install_requires=BASE,
    extras_require=EXTRAS,
)
