"""The laws of all first-party estimators."""

import gmssl
from gmssl.testing.estimator_contract import EstimatorContract


class TestBlackbox(EstimatorContract):
    estimator = gmssl.part("estimator", "blackbox", strength=2.0)


class TestBlackboxWithLap(EstimatorContract):
    estimator = gmssl.part("estimator", "blackbox")
    solver = gmssl.part("solver", "lap")


class TestImle(EstimatorContract):
    estimator = gmssl.part("estimator", "imle")


class TestImleWithoutNoise(EstimatorContract):
    estimator = gmssl.part("estimator", "imle", strength=2.0, noise="none")


class TestImleOfSeveralSamples(EstimatorContract):
    estimator = gmssl.part("estimator", "imle", strength=5.0, samples=3, noise={"kind": "gaussian", "temperature": 0.5})


class TestImleWithEdgeNoise(EstimatorContract):
    estimator = gmssl.part("estimator", "imle", strength=2.0, noise={"kind": "sum_of_gamma", "k": 4}, edge_noise="none")


class TestImleWithRelaxedSolver(EstimatorContract):
    estimator = gmssl.part("estimator", "imle", strength=2.0)
    solver = gmssl.part("solver", "row_softmax", temperature=0.5)


class TestExact(EstimatorContract):
    estimator = gmssl.part("estimator", "exact")
