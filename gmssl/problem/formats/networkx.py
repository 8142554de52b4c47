"""Graphs of networkx, with functions that say what a pair of nodes and a pair of edges costs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.problem.memory import refuse_without_room
from gmssl.problem.problem import Problem

if TYPE_CHECKING:
    import networkx

Node: TypeAlias = Hashable
Edge: TypeAlias = tuple[Node, Node]
Attributes: TypeAlias = Mapping[Any, Any]
VertexCost: TypeAlias = Callable[[Node, Attributes, Node, Attributes], float | None]
EdgeCost: TypeAlias = Callable[[Edge, Attributes, Edge, Attributes], float]


def from_networkx(
    left: networkx.Graph,
    right: networkx.Graph,
    vertex_cost: VertexCost,
    edge_cost: EdgeCost | None = None,
    partial: bool = False,
    dtype: torch.dtype | None = None,
) -> Problem:
    """One instance, G = 1; vertices are numbered in the order of the graphs' nodes.

    A left and a right edge are charged once where the ends of one are matched with the ends of the other: tail with
    tail and head with head if both are directed, either way round if one of them is not. `edge_cost` is asked about
    the ends as they are matched: the left edge from its first end, the right edge from that end's partner, so that an
    undirected edge may be shown as (u, v) and as (v, u). Parallel edges of multigraphs are edges of their own;
    self-loops are charged with self-loops.

    Args:
        left: a graph of any of the four classes of networkx; a directed and an undirected one go together.
        right: the other graph.
        vertex_cost: `(left node, its attributes, right node, its attributes)` to a cost, or None to forbid the pair.
        edge_cost: `((tail, head), attributes, (tail, head), attributes)`, left first, to a cost; None: no edges.
        partial: whether any vertex may stay unmatched.
        dtype: dtype of the costs; by default float64, in which Python computes.

    Raises:
        ProblemError: an empty graph, a cost that is no finite number, or no edge cost (only vertex pairs can be
            forbidden), or the machine has no room for the costs of edge pairs.
    """
    dtype = dtype or torch.float64
    rows, columns = list(left.nodes(data=True)), list(right.nodes(data=True))
    table = [[vertex_cost(i, here, s, there) for s, there in columns] for i, here in rows]
    vertex = [[0.0 if cost is None else _number("vertex_cost", cost) for cost in row] for row in table]
    allowed = [[cost is not None for cost in row] for row in table]
    both = left.is_directed() or right.is_directed()
    # If both sides are undirected, turning one of them is enough to meet each way round once.
    lefts = _edges(left, turned=both and not left.is_directed()) if edge_cost else []
    rights = _edges(right, turned=not right.is_directed()) if edge_cost else []
    refuse_without_room(
        8 * len(lefts) * len(rights), f"costs of {len(lefts)}×{len(rights)} edge pairs", "use smaller graphs"
    )
    edge = [[_number("edge_cost", edge_cost(e, a, f, b)) for f, b in rights] for e, a in lefts] if edge_cost else []
    return Problem.build(
        torch.tensor(vertex, dtype=dtype, device="cpu").view(1, len(rows), len(columns)),
        _numbered(lefts, left),
        _numbered(rights, right),
        torch.tensor(edge, dtype=dtype, device="cpu").view(1, len(lefts), len(rights)),
        allowed=torch.tensor(allowed, dtype=torch.bool, device="cpu").view(1, len(rows), len(columns)),
        partial=partial,
    )


def to_networkx(problem: Problem, instance: int = 0) -> tuple[networkx.MultiDiGraph, networkx.MultiDiGraph]:
    """The graphs of one instance, costs included; `stored_vertex_cost` and `stored_edge_cost` find them again.

    Nodes are numbers. Right nodes and right edges have their `number` as an attribute, too, and the attribute `costs`
    of a left node holds its cost with each allowed right node by that number; `costs` of a left edge holds its cost
    with each right edge, unless zero. So nodes may be renamed, and the graphs may go through JSON, whose keys are
    texts. Whether the problem is partial is `problem.topology.partial`, and goes beside the graphs.

    Returns:
        The left and the right graph: directed, and multigraphs, since a problem may list an edge twice.
    """
    import networkx

    left, right = networkx.MultiDiGraph(), networkx.MultiDiGraph()
    topology = problem.topology
    vertex, allowed = problem.costs.vertex[instance].tolist(), topology.allowed[instance].tolist()
    for i, (costs, permitted) in enumerate(zip(vertex, allowed, strict=True)):
        left.add_node(i, costs={s: cost for s, cost in enumerate(costs) if permitted[s]})
    right.add_nodes_from((s, {"number": s}) for s in range(problem.costs.vertex.shape[2]))
    for (i, j), costs in zip(topology.left[instance].tolist(), problem.costs.edge[instance].tolist(), strict=True):
        left.add_edge(i, j, costs={number: cost for number, cost in enumerate(costs) if cost != 0})
    for number, (s, t) in enumerate(topology.right[instance].tolist()):
        right.add_edge(s, t, number=number)
    return left, right


def stored_vertex_cost(left_node: Node, left: Attributes, right_node: Node, right: Attributes) -> float | None:
    """The vertex cost that `to_networkx` stored.

    Raises:
        ProblemError: one of the nodes lacks what `to_networkx` stored in it.
    """
    costs = _stored("costs", "left node", left_node, left)
    number = _stored("number", "right node", right_node, right)
    return costs.get(number, costs.get(str(number)))


def stored_edge_cost(left_edge: Edge, left: Attributes, right_edge: Edge, right: Attributes) -> float:
    """The edge cost that `to_networkx` stored.

    Raises:
        ProblemError: one of the edges lacks what `to_networkx` stored in it.
    """
    costs = _stored("costs", "left edge", left_edge, left)
    number = _stored("number", "right edge", right_edge, right)
    return costs.get(number, costs.get(str(number), 0.0))


def matched_nodes(left: networkx.Graph, right: networkx.Graph, matching: torch.Tensor) -> dict[Node, Node]:
    """A matching in the names of the nodes: the right partner of each left node that has one.

    Args:
        left: the left graph that the problem was made of.
        right: the right one.
        matching: 0/1 matrix `[n,m]`, for example `solution.matching.vertex[0]`.

    Raises:
        ProblemError: the matrix is no matching of these graphs' nodes.
    """
    rows, columns = list(left), list(right)
    matched = matching > 0
    legal = matching.shape == (len(rows), len(columns)) and bool(
        (matching == matched).all() & (matched.sum(0) <= 1).all() & (matched.sum(1) <= 1).all()
    )
    if not legal:
        raise ProblemError(
            f"this {list(matching.shape)} matrix is no matching of {len(rows)} and {len(columns)} nodes; pass the 0/1 "
            "`solution.matching.vertex[g]` of a one-to-one solver."
        )
    return {rows[i]: columns[s] for i, s in matched.nonzero().tolist()}


def _stored(name: str, kind: str, label: Node, attributes: Attributes) -> Any:
    if name not in attributes:
        has = ", ".join(map(repr, attributes)) or "no attributes"
        raise ProblemError(
            f"{kind} {label!r} has no attribute {name!r}; it has {has}. The functions stored_vertex_cost and "
            "stored_edge_cost read graphs of to_networkx, left and right, with all attributes of their nodes and "
            "edges; remove what was added to them, or pass cost functions of your own."
        )
    return attributes[name]


def _edges(graph: networkx.Graph, turned: bool) -> list[tuple[Edge, Attributes]]:
    """Ends and attributes; `turned`: also from head to tail, which is the same for a self-loop."""
    found: list[tuple[Edge, Attributes]] = []
    for tail, head, attributes in graph.edges(data=True):
        found.append(((tail, head), attributes))
        if turned and tail != head:
            found.append(((head, tail), attributes))
    return found


def _numbered(edges: list[tuple[Edge, Attributes]], graph: networkx.Graph) -> torch.Tensor:
    number = {node: place for place, node in enumerate(graph)}
    ends = [[number[tail], number[head]] for (tail, head), _ in edges]
    return torch.tensor(ends, dtype=torch.int64, device="cpu").view(1, len(edges), 2)


def _number(function: str, cost: object) -> float:
    try:
        return float(cost)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        forbids = "only vertex_cost may forbid pairs by None" if cost is None else "costs are numbers"
        raise ProblemError(f"{function} returned {cost!r}; {forbids}, return a number.") from None
