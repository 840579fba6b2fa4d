"""python -m nasjax.evaluation.trained.native: compiles the kernels ahead of their first use."""

import sys

from nasjax.evaluation.trained import native

try:
    native.build()
except (OSError, RuntimeError) as error:
    sys.exit(f"{native.WITHOUT}: {error}")
