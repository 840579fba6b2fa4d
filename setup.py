"""Installs nasjax from a clone: `pip install -c constraints.txt -e .` (or `make search`).

Everything is installed inside the one package `nasjax`: launch/, configs/, benchmarks/ and
third_party/, which lie beside it in a clone, become `nasjax.launch`, `nasjax.configs`, ...
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
INSIDE = ("launch", "configs", "benchmarks", "third_party")  # third_party: data, not code


def read_version() -> str:
    """Return `__version__` of nasjax/__init__.py, read as text: nothing is installed yet."""
    text = (ROOT / "nasjax" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('nasjax/__init__.py has no line __version__ = "..."')
    return match.group(1)


# Upper bounds stand where a minor release is known to break its users; the exact versions that were
# tried together are in constraints.txt (oldest JAX) and constraints-newest.txt.
BASE = [
    "absl-py>=2.3",
    "flatbuffers>=24",  # jax.export needs it and does not bring it
    "flax>=0.12,<0.13",
    # tensorflow-datasets imports importlib_resources and declares it below Python 3.9 only
    "importlib_resources>=6",
    "jax>=0.10.2,<0.13",  # brings the jaxlib that fits
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
    "zstandard>=0.23,<0.26",  # JAX packs compiled programs with it, faster than with zlib
    # Boosted trees. The build without GPU code (the other's wheel for Linux has 132 MB); there is
    # none for macOS.
    "xgboost-cpu>=3.1,<4; sys_platform != 'darwin'",
    "xgboost>=3.1,<4; sys_platform == 'darwin'",
]
IMBALANCED = "imbalanced-learn>=0.14.2,<0.15"
NVML = "nvidia-ml-py>=12,<14"  # power and clock of a GPU, for profiles of it
DOCS = ["mkdocs-material>=9.7,<10", "mkdocstrings[python]>=1.0,<2"]

EXTRAS = {
    "predictors": [IMBALANCED],  # SMOTE, for the ablation of predictors
    "docs": DOCS,
    "dev": [
        "build>=1.3,<2",
        "chex>=0.1.92,<0.2",
        "flashbax==0.1.3",
        "import-linter>=2.5,<3",
        "mypy>=2.4,<3",
        "pytest>=9,<10",
        "pytest-cov>=7,<8",
        "pytest-xdist>=3.8,<4",
        "ruff>=0.17,<0.18",
        IMBALANCED,
        *DOCS,
    ],
    # The stock CPU build of TensorFlow, which tfds needs to prepare a data set, not to read one.
    "prepare": ["tensorflow-cpu>=2.20,<2.22"],
    "gpu": ["jax[cuda13]>=0.10.2,<0.13", NVML],
    "gpu12": ["jax[cuda12]>=0.10.2,<0.13", NVML],  # for drivers too old for CUDA 13
}

PACKAGES = find_packages(include=["nasjax", "nasjax.*"])
BESIDE = [*find_packages(include=["launch", "configs", "configs.*", "benchmarks"]), "third_party"]

setup(
    name="nasjax",
    version=read_version(),
    description="Searches for neural architectures with reinforcement learning, on JAX",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["neural architecture search", "reinforcement learning", "jax", "hardware-aware"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: C++",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11,<3.14",
    packages=[*PACKAGES, *(f"nasjax.{name}" for name in BESIDE)],
    package_dir={f"nasjax.{name}": name for name in INSIDE},
    package_data={
        "nasjax": ["py.typed"],
        "nasjax.benchmarks": ["*.json"],
        "nasjax.evaluation.trained.native": ["*.cc", "*.h"],
        "nasjax.reports": ["templates/*.j2", "templates/*/*"],
        "nasjax.third_party": [
            *("devices.json", "DEVICES.md", "*/LICENSE", "*/METADATA.md", "*/table.npz"),
            *("*/networks.csv", "*/devices.json", "*/measurements.csv.gz"),
        ],
    },
    entry_points={"console_scripts": ["nasjax = nasjax.launch.__main__:main"]},
    install_requires=BASE,
    extras_require=EXTRAS,
)
