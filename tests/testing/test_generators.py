"""Problems as in training."""

import pytest
import torch

from gmssl.testing.generators import knn_problem, paired_embeddings


def test_knn_problem_has_knn_edges():
    problem = knn_problem(2, 9, neighbours=4)
    assert problem.costs.edge.shape == (2, 36, 36)
    for edges in (*problem.topology.left, *problem.topology.right):
        assert (edges[:, 0] != edges[:, 1]).all()
        assert torch.equal(edges[:, 0].bincount(minlength=9), torch.full((9,), 4))
        assert len({tuple(e) for e in edges.tolist()}) == 36


@pytest.mark.parametrize("n", [1, 2, 7])
def test_paired_embeddings_have_knn_edges_and_a_relabelled_truth(n):
    problem = paired_embeddings(30, n, noise=0.5, neighbours=3)
    edges = n * min(3, n - 1)
    assert problem.costs.edge.shape == (30, edges, edges)
    assert (problem.target.sum(1) == 1).all()
    assert (problem.target.sum(2) == 1).all()
    assert problem.target.diagonal(dim1=1, dim2=2).mean() < 0.5 + 1 / n  # no identity
    if n > 2:  # the cheapest partner of each vertex is the true one: labels, nodes and costs agree
        assert torch.equal(problem.costs.vertex.argmin(2), problem.target.argmax(2))


def test_paired_embeddings_draw_the_same_under_all_settings():
    plain, hard = (paired_embeddings(4, 6, noise=1.0, margin=m, gumbel=g) for m, g in ((0.0, 0.0), (1.0, 0.5)))
    assert torch.equal(plain.target, hard.target)
    assert torch.equal(plain.topology.right, hard.topology.right)
    assert not torch.equal(plain.costs.edge, hard.costs.edge)
    margin = paired_embeddings(4, 6, noise=1.0, margin=1.0).costs - plain.costs
    torch.testing.assert_close(margin.vertex, plain.target)
    assert not margin.edge.any()


@pytest.mark.parametrize(("noise", "cosine"), [(0.5, 0.8), (1.0, 0.5), (3.0, 0.1)])
def test_noise_is_relative_to_the_signal(noise, cosine):
    problem = paired_embeddings(200, 8, noise=noise)
    true = -(problem.costs.vertex * problem.target).sum((1, 2)) / 8
    assert abs(float(true.mean()) - cosine) < 0.01
