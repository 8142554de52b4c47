"""The estimator of the page on plugins keeps the laws of estimators, and is what the page says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch

import gmssl
from gmssl.testing.estimator_contract import EstimatorContract
from gmssl.testing.generators import paired_embeddings

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"


@pytest.fixture(scope="module")
def centred_identity(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The block of the page as a module: settings read their annotations there."""
    (code,) = re.findall(r'```python title="gmssl_centred/.*?\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path_factory.mktemp("plugin") / "gmssl_centred.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("gmssl_centred", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CentredIdentity()


class TestCentredIdentity(EstimatorContract):
    examples = 10  # the page tells readers to try all: `gmssl parts check`

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _of_the_page(cls, centred_identity: object) -> None:
        cls.estimator = centred_identity  # type: ignore[assignment]


def test_it_is_identity_less_the_mean_of_each_row(centred_identity: object) -> None:
    problem = paired_embeddings(4, 5, noise=1.0, neighbours=2)
    gradients = []
    for estimator in (centred_identity, gmssl.part("estimator", "identity")):
        costs = problem.costs.map(lambda x: x.clone().requires_grad_())
        found = estimator.match(gmssl.part("solver", "exhaustive"), problem.with_costs(costs), None)  # type: ignore[attr-defined]
        (found.matching.vertex * torch.arange(25.0).view(5, 5)).sum().backward()
        gradients.append(costs.vertex.grad)
    torch.testing.assert_close(gradients[0], gradients[1] - gradients[1].mean(2, keepdim=True))
