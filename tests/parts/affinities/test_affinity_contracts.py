"""The laws of all first-party affinities."""

import gmssl
from gmssl.testing.affinity_contract import AffinityContract


class TestCosine(AffinityContract):
    affinity = gmssl.part("affinity", "cosine")


class TestInnerProduct(AffinityContract):
    affinity = gmssl.part("affinity", "inner_product")


class TestSquaredDistance(AffinityContract):
    affinity = gmssl.part("affinity", "squared_distance")


class TestSoftplus(AffinityContract):
    affinity = gmssl.part("affinity", "softplus")


class TestNearestPatchesByPosition(AffinityContract):
    affinity = gmssl.part("affinity", "nearest_patches")


class TestNearestPatchesByFeature(AffinityContract):
    affinity = gmssl.part("affinity", "nearest_patches", by="feature", best=2)


class TestNearestPatchesByBoth(AffinityContract):
    affinity = gmssl.part("affinity", "nearest_patches", by="both")


class TestCosineOfDifferences(AffinityContract):
    affinity = gmssl.part("affinity", "cosine_of_differences")


class TestSoftplusOfDifferences(AffinityContract):
    affinity = gmssl.part("affinity", "softplus_of_differences")
