"""Multi-start robust tabu search: the second-order solver of training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

from pydantic import Field, PrivateAttr

from gmssl.interfaces.solver import Listener, Solver
from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.curve import Curve
from gmssl.parts.solvers.kernels.threads import in_slices, stopping_after, unstopped
from gmssl.parts.solvers.outcome import energies, outcome, refuse_unmatchable
from gmssl.parts.solvers.plain import plain, single_precision
from gmssl.parts.solvers.relabelling import on_cpu, opposite, turned, with_dummies
from gmssl.problem import Problem, Solution

RESCALED = 4  # searches in plain costs at most; the first finds what the second can trust


class Chosen(NamedTuple):
    """What a search ended with.

    Attributes:
        columns: `[G,n]`, −1 or ≥ m where unmatched.
        agreed: bool `[G]`, of `Solution`.
        coarse: bool `[G]`, a large cost still hides the others.
        ordinary: `plain` has nothing to change in these problems with these matchings; False where nobody asked.
    """

    columns: torch.Tensor
    agreed: torch.Tensor
    coarse: torch.Tensor
    ordinary: bool


class RobustTabu(Solver):
    """Search for the matching of least energy by swaps, uphill too, with a short memory (Taillard 1991).

    Start 0 is the linear assignment of the vertex costs, the others are random; from 24 vertices on, the second half of
    the starts recombines two earlier results. Presets by n, as starts×iterations with `agree`: 10: 32×20 with 8; 16:
    12×50 with 4, or 32×75 with 6; 32: 8×500 with 4, or 64×500 with 8; for partial problems by n + m. By default the
    swaps are 50 up to 16 vertices and then grow with their square, and twice as many where several are left out.

    Compiled with numba for problems on the CPU (its first call in a fresh installation compiles for some seconds), one
    Triton kernel for up to 64 vertices on CUDA, batched torch operations elsewhere: all three find the same matching.
    """

    kind: ClassVar[str] = "robust_tabu"
    uses_edges: ClassVar[bool] = True

    starts: int = Field(12, ge=1, description="independent searches per instance")
    iterations: int | None = Field(None, ge=0, description="swaps per search; None: by size, 50 for 16 vertices")
    agree: int | None = Field(
        4,
        ge=2,
        description="stop once that many searches end at the best energy of an instance; None: never",
    )
    seconds: float | None = Field(
        None,
        gt=0,
        description="time for each instance, all of which is used: searches go on, longer and from combined results, "
        "on the CPU; None: none behind `starts`",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of the random starts and tenures")
    threads: int | None = Field(None, ge=1, description="over the batch, on the CPU; None: as many as torch uses")

    _stop: Any = PrivateAttr(None)  # an array or None; pydantic would import numpy to look at that type
    _listener: Listener | None = PrivateAttr(None)

    def until(self, stop: numpy.ndarray) -> RobustTabu:
        """The same solver, whose searches end once `stop [1]`, of `stopping_after`, is not 0; those of Triton do not.

        Each instance is still given a matching: the best so far, or where its first search begins.
        """
        ended = self.model_copy()
        ended._stop = stop
        return ended

    def watched(self, listener: Listener) -> RobustTabu:
        """The same solver, which tells `listener` what its starts found, and then each better matching."""
        telling = self.model_copy()
        telling._listener = listener
        return telling

    def swaps(self, n: int, m: int) -> int:
        """`iterations`, or what n vertices, the longer side, and m get by default; partial problems have n + m and m.

        Twice as many where several vertices are left out: there are more matchings to tell apart, and more valleys.
        """
        if self.iterations is not None:
            return self.iterations
        return max(50, round(50 * (n / 16) ** 2)) * (2 if n - m > 1 else 1)

    def solve(self, problem: Problem) -> Solution:
        """Search; `agreed` tells whether the agreement rule ended the search of an instance before its budget.

        Where constants, or costs that no optimum pays, dwarf what decides, plain costs are searched once more.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side, or an energy is beyond the costs' dtype.
        """
        problem = problem.detach()
        curve = Curve(problem, self._listener)
        chosen = self._chosen(problem, curve)
        _warn_of(chosen.coarse)
        unproven = torch.zeros_like(chosen.agreed)
        found = outcome(problem, chosen.columns, unproven, proven=False, threads=self._threads, agreed=chosen.agreed)
        curve.end(found.energy)
        return found

    def choose(self, problem: Problem) -> Chosen:
        """What `solve` finds for a problem without gradients, which other solvers need no matching of edges for.

        Nothing warns of what is coarse: those who ask say themselves what it means.

        Raises:
            ProblemError: `allowed` permits no matching of the shorter side.
        """
        return self._chosen(problem, Curve(problem, None))

    def _chosen(self, problem: Problem, curve: Curve) -> Chosen:
        if self.seconds is None or not len(problem.costs.vertex):
            return self._from_starts(problem)
        return self._in_time(problem, self.seconds, curve)

    def _in_time(self, problem: Problem, seconds: float, curve: Curve) -> Chosen:
        from gmssl.parts.solvers.tabu.budget import product_grounds, spend_on_products

        began, (graphs, n, m) = perf_counter(), problem.costs.vertex.shape
        with stopping_after(seconds * graphs, self._stop) as stop:
            grounds = product_grounds(on_cpu(problem), stop, self.seed)
        if grounds is not None:
            left, chosen = seconds - (perf_counter() - began) / graphs, []
            for g, ground in enumerate(grounds):
                with stopping_after(left, self._stop) as stop:
                    told = partial(curve.learn, g)
                    chosen.append(spend_on_products(ground, n, m, stop, self._threads, self.seed, told))
            columns = torch.stack(chosen).to(problem.costs.vertex.device)
            refuse_unmatchable((columns < 0).all(1))
            nowhere = torch.zeros_like(columns[:, 0], dtype=torch.bool)
            return Chosen(columns, nowhere, nowhere, ordinary=False)
        with stopping_after(seconds * graphs - (perf_counter() - began), self._stop) as stop:
            known = self.until(stop)._from_starts(problem)
        for g, columns in enumerate(known.columns):
            curve.learn(g, columns)
        return self._until_time_is_over(problem, known, seconds - (perf_counter() - began) / graphs, curve)

    def _from_starts(self, problem: Problem) -> Chosen:
        columns, agreed = self._search(problem)
        refuse_unmatchable((columns < 0).all(1))
        return self._in_plain_costs(problem, columns, agreed)

    @property
    def _threads(self) -> int:
        return self.threads or torch.get_num_threads()

    def _search(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        search = self._compiled if problem.costs.vertex.device.type == "cpu" else self._on_device
        return search(problem)

    @property
    def _stopped(self) -> bool:
        return self._stop is not None and bool(self._stop[0])

    def _in_plain_costs(self, problem: Problem, columns: torch.Tensor, agreed: torch.Tensor) -> Chosen:
        """Search again where a large cost hid the others, as long as that helps: each time fewer are too dear."""
        coarse = torch.zeros_like(agreed)
        for searches in range(RESCALED + 1):
            found = plain(problem, columns)
            if found is None:
                return Chosen(columns, agreed, torch.zeros_like(agreed), ordinary=True)
            coarse = found.coarse
            if searches == RESCALED:
                break
            rows = found.changed.nonzero().flatten()
            if self._stopped:  # without the search that they need, whatever the first one said
                return Chosen(columns, agreed.index_fill(0, rows, False), coarse, ordinary=False)
            columns, agreed = columns.clone(), agreed.clone()
            part = found.problem.select(rows)
            again, agree = self._search(part)
            # In plain costs, where no constant swallows a difference.
            before, after = (energies(part, x) for x in (columns[rows], again))
            better = after < before
            columns[rows] = torch.where(better[:, None], again, columns[rows])
            agreed[rows] = agree
            if not bool(better.any()):
                break
        return Chosen(columns, agreed & ~coarse, coarse, ordinary=False)

    def _until_time_is_over(self, problem: Problem, known: Chosen, left: float, curve: Curve) -> Chosen:
        """Search on, `left` seconds for each instance."""
        from gmssl.parts.solvers.tabu.budget import spend

        found = None if known.ordinary else plain(problem, known.columns)
        posed = on_cpu(problem if found is None else found.problem)
        m, columns = problem.costs.vertex.shape[2], known.columns.cpu()
        columns = torch.where(columns < m, columns, -1)
        for g in range(len(columns)):
            one = posed.select(slice(g, g + 1))
            with stopping_after(left, self._stop) as stop:
                told = partial(curve.learn, g)
                again = spend(one, single_precision(one), columns[g], stop, self._threads, self.seed, told)
            # The search rounds: what it ends with may cost a little more than what it was given.
            before, after = (energies(one, x[None]) for x in (columns[g], again))
            columns[g] = torch.where(after < before, again, columns[g])
        columns = columns.to(known.columns.device)
        return Chosen(columns, torch.zeros_like(known.agreed), known.coarse, found is None)

    def _on_device(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        # A torch with CUDA may come without Triton, as on Windows.
        if problem.costs.vertex.is_cuda and find_spec("triton") is not None:
            from gmssl.parts.solvers.tabu.search_triton import LARGEST

            if max(problem.costs.vertex.shape[1:]) <= LARGEST:
                return self.search_in_triton(problem)
        return self.search_in_torch(problem)

    def search_in_triton(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        """The kernel for CUDA: columns `[G,n]` (≥ m: unmatched; −1: impossible), agreed `[G]`.

        Launched once for all starts, it looks at no flag: a time limit ends it when it is done.
        """
        from gmssl.parts.solvers.tabu.search_triton import search

        return self._batched(problem, search)

    def search_in_torch(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        """The batched reference, on any device: columns `[G,n]` (≥ m: unmatched; −1: impossible), agreed `[G]`."""
        from gmssl.parts.solvers.tabu.search_torch import search

        return self._batched(problem, partial(search, stop=self._stop))

    def _batched(
        self, problem: Problem, search: Callable[[Problem, int, int, int, int], tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        vertex = problem.costs.vertex
        if len(vertex) == 0:
            return vertex.new_empty(vertex.shape[:2], dtype=torch.int64), vertex.new_empty(0, dtype=torch.bool)

        def run(longer: Problem) -> tuple[torch.Tensor, torch.Tensor]:
            single = longer.with_costs(single_precision(longer))
            swaps = self.swaps(*longer.costs.vertex.shape[1:])
            return search(single, self.starts, swaps, self.agree or 0, self.seed)

        return _with_longer_left(problem, run)

    def improve(self, problem: Problem, columns: torch.Tensor) -> torch.Tensor:
        """Search again, this time also from given assignments; on the CPU.

        Args:
            problem: G problems, on any device.
            columns: `[G,K,n]`, −1 where a row is unmatched. All are tried, and so is the linear assignment.

        Returns:
            Columns `[G,n]`; ≥ m or −1 where unmatched.
        """
        # Start 0 stays the linear assignment; the given ones are the starts after it.
        enough = self.model_copy(update={"starts": max(self.starts, columns.shape[1] + 1)})
        return enough._compiled(problem.detach(), columns)[0]

    def _compiled(self, problem: Problem, given: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        graphs, n, m = problem.costs.vertex.shape
        if given is None:
            given = torch.empty(graphs, 0, n, dtype=torch.long, device="cpu")
        if n < m:
            given = opposite(given.flatten(0, 1), m).unflatten(0, given.shape[:2])
        # A search swaps whole permutations: rows without a column need a dummy location of their own.
        given = with_dummies(given.flatten(0, 1), min(n, m)).unflatten(0, given.shape[:2])
        return _with_longer_left(problem, lambda longer: self._in_threads(longer, given))

    def _in_threads(self, problem: Problem, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        from gmssl.parts.solvers.tabu.layout import lay_out
        from gmssl.parts.solvers.tabu.starts_numba import solve_slice

        costs, topology = single_precision(problem), problem.topology
        vertex, edge, begin = _array(costs.vertex), _array(costs.edge), _array(given)
        left, right, allowed = _array(topology.left), _array(topology.right), _array(topology.allowed)
        graphs, n, m = costs.vertex.shape
        columns, agreed = numpy.empty((graphs, n), numpy.int64), numpy.empty(graphs, bool)
        stop = unstopped() if self._stop is None else self._stop

        def run(lo: int, hi: int) -> None:
            part = slice(lo, hi)
            solve_slice(
                vertex[part], edge[part], left[part], right[part], allowed[part], begin[part],
                self.starts, self.swaps(n, m), self.agree or 0, self.seed, stop,
                *lay_out(n, m, left.shape[1], self.starts), columns[part], agreed[part],
            )  # fmt: skip

        # About a nanosecond for each swap in view, and ten for each edge cost that is tabulated.
        effort = graphs * self.starts * self.swaps(n, m) * n * n * 1e-9 + edge.size * 1e-8
        in_slices(run, graphs, self._threads, stop, effort)
        return torch.from_numpy(columns), torch.from_numpy(agreed)


def _warn_of(coarse: torch.Tensor) -> None:
    if bool(coarse.any()):
        warnings.warn(
            f"robust_tabu: in {int(coarse.sum())} of {len(coarse)} instances the dearest cost that decides is a "
            "million times what is left to decide, more than the search resolves; `agreed` is False there.",
            stacklevel=2,
        )


def _with_longer_left(
    problem: Problem, search: Callable[[Problem], tuple[torch.Tensor, torch.Tensor]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Swap the sides where n < m, so that only columns need dummies; and swap the answer back."""
    n, m = problem.costs.vertex.shape[1:]
    if n >= m:
        return search(problem)
    rows, agreed = search(turned(problem))
    return opposite(rows, n), agreed


def _array(tensor: torch.Tensor) -> numpy.ndarray:
    return numpy.ascontiguousarray(tensor.cpu().numpy())
