"""torch's default dtype is the caller's: it decides nothing in a solver."""

import pytest
import torch

import gmssl
from gmssl.testing.generators import paired_embeddings

PROBLEM = paired_embeddings(3, 5, noise=1, gumbel=0.5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["lagrange", "exact", "exhaustive", "robust_tabu"])
def test_the_default_dtype_is_not_read(kind, dtype):
    solver = gmssl.part("solver", kind)
    expected, before = gmssl.solve(PROBLEM, solver), torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        found = gmssl.solve(PROBLEM, solver)
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(found.matching.vertex, expected.matching.vertex)
    assert torch.equal(found.energy, expected.energy)
    assert found.energy.dtype == expected.energy.dtype


@pytest.mark.parametrize("kind", ["lagrange", "exact", "exhaustive", "robust_tabu"])
def test_the_default_device_is_not_read(kind):
    solver = gmssl.part("solver", kind)
    expected = gmssl.solve(PROBLEM, solver)
    with torch.device("meta"):
        found = gmssl.solve(PROBLEM, solver)
    assert torch.equal(found.matching.vertex, expected.matching.vertex)
    assert torch.equal(found.energy, expected.energy)
