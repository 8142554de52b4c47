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


class TestAimle(EstimatorContract):
    estimator = gmssl.part("estimator", "aimle")


class TestAimleCentralWithoutNoise(EstimatorContract):
    estimator = gmssl.part("estimator", "aimle", central=True, noise="none", strongest=16.0)


class TestAimleOfSeveralSamples(EstimatorContract):
    estimator = gmssl.part("estimator", "aimle", samples=3, candidates=4, target=2.0, edge_noise="none")


class TestIdentity(EstimatorContract):
    estimator = gmssl.part("estimator", "identity")


class TestIdentityUnderNoise(EstimatorContract):
    estimator = gmssl.part("estimator", "identity", noise="gumbel")


class TestPerturbed(EstimatorContract):
    estimator = gmssl.part("estimator", "perturbed")


class TestPerturbedByGumbelNoise(EstimatorContract):
    estimator = gmssl.part("estimator", "perturbed", noise="gumbel", edge_noise="gaussian", samples=3)


class TestStraightThrough(EstimatorContract):
    estimator = gmssl.part("estimator", "straight_through")


class TestStraightThroughUnderNoise(EstimatorContract):
    estimator = gmssl.part("estimator", "straight_through", noise="gumbel", temperature=0.5)
