"""The laws every gradient estimator keeps. A plugin's whole test:

import gmssl
from gmssl.testing.estimator_contract import EstimatorContract

class TestMine(EstimatorContract):
    estimator = gmssl.part("estimator", "mine")
"""

from __future__ import annotations

from gmssl.testing.estimator_gradient import EstimatorGradient
from gmssl.testing.estimator_output import EstimatorOutput


class EstimatorContract(EstimatorGradient, EstimatorOutput):
    """Inherit, and set `estimator`.

    `solver` is what it is tested with, by default `exhaustive`, or `row_softmax` if the estimator differentiates the
    solver; `max_n` (4) bounds the problems drawn and `examples` (25) their number.
    """
