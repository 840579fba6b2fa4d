"""Test suites that every member of a kind passes, in the registry or outside the project.

    from nasjax.contracts import check_controller
    check_controller(MY_ENTRY)

Each is plain asserts with messages; none needs pytest.
"""

from nasjax.contracts.controllers import check_controller
from nasjax.contracts.evaluators import check_evaluator
from nasjax.contracts.predictors import check_predictor
from nasjax.contracts.spaces import check_space

__all__ = ["check_controller", "check_evaluator", "check_predictor", "check_space"]
