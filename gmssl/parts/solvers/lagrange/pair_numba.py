"""The inner loop of dual ascent in LLVM's vectors: everything that one iteration does with one pair, in one pass.

See `simd_numba` for why it is not left to numba's own loops, and `iteration_numba` for what
it computes. Here numba needs ten times as long, most of it for rows of two vectors.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils

from gmssl.parts.solvers.kernels.simd_numba import LANES, intrinsic

_F32, _I64 = ir.FloatType(), ir.IntType(64)
_VECTOR, _MASK = ir.VectorType(_F32, LANES), ir.VectorType(ir.IntType(32), LANES)
_ZERO = ir.Constant(_VECTOR, [ir.Constant(_F32, 0.0)] * LANES)
FLAGS = ("nnan", "ninf", "nsz", "reassoc", "contract")


def _shuffled(builder, vector, lanes):
    mask = ir.Constant(_MASK, [ir.Constant(ir.IntType(32), lane) for lane in lanes])
    return builder.shuffle_vector(vector, ir.Constant(_VECTOR, ir.Undefined), mask)


def _splat(builder, scalar):
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, one, [0] * LANES)


def _sum(builder, vector):
    """The sum of the lanes, a scalar."""
    for step in (4, 2, 1):
        vector = builder.fadd(vector, _shuffled(builder, vector, [lane ^ step for lane in range(LANES)]), FLAGS)
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


class _Line:
    """A float32 array from an offset on, read and written eight numbers or one at a time."""

    def __init__(self, context, builder, signature, args, array, offset):
        self._builder = builder
        data = context.make_array(signature.args[array])(context, builder, args[array]).data
        self._data = builder.gep(data, [args[offset]])

    def _at(self, index):
        return self._builder.bitcast(self._builder.gep(self._data, [index]), _VECTOR.as_pointer())

    def load(self, index):
        return self._builder.load(self._at(index), align=4)

    def store(self, value, index):
        self._builder.store(value, self._at(index), align=4)

    def add(self, value, index):
        self.store(self._builder.fadd(self.load(index), value, FLAGS), index)

    def scalar(self, index):
        return self._builder.load(self._builder.gep(self._data, [index]))

    def put(self, value, index):
        self._builder.store(value, self._builder.gep(self._data, [index]))


@intrinsic
def step_pair(
    typingctx, costs, at_costs, y, at_y, alpha, at_alpha, beta, at_beta, over, at_over, across, at_across,
    spent, at_spent, crossed, at_crossed, ahead, at_tail, head, at_head, column, at_column, rows, blocks, tau, sigma,
):  # fmt: skip
    """One pair's step of y, its extrapolation, and the ascent of its α and β.

    With g[s,t] = costs − α_s − β_t + over + across:  y⁺ = max(y − τ g, 0),  z = 2y⁺ − y,  spent += z,  crossed += z,
    α_s += σ (ahead_s − Σ_t z),  β_t += σ (head_t − Σ_s z).

    Args:
        costs, y, over, across, spent, crossed: flat float32, each followed by the offset of a matrix of `rows` rows of
            8·blocks numbers.
        alpha, ahead: likewise of `rows` numbers; beta, head and column, which is scratch: of 8·blocks.
        rows, blocks: intp. tau, sigma: float32.
    """
    arrays = [costs, y, alpha, beta, over, across, spent, crossed, ahead, head, column]
    interleaved = [kind for array in arrays for kind in (array, types.intp)]
    signature = types.void(*interleaved, types.intp, types.intp, types.float32, types.float32)

    def codegen(context, builder, signature, args):
        lines = [_Line(context, builder, signature, args, k, k + 1) for k in range(0, 2 * len(arrays), 2)]
        _emit_pair(builder, lines, *args[2 * len(arrays) :])
        return context.get_dummy_value()

    return signature, codegen


def _emit_pair(b, lines, rows, blocks, tau, sigma):
    costs, y, alpha, beta, over, across, spent, crossed, ahead, head, column = lines
    lanes, step = ir.Constant(_I64, LANES), _splat(b, tau)
    stride = b.mul(blocks, lanes)
    total = cgutils.alloca_once(b, _VECTOR)
    with cgutils.for_range(b, blocks) as block:
        column.store(_ZERO, b.mul(block.index, lanes))
    with cgutils.for_range(b, rows) as row:
        b.store(_ZERO, total)
        own, line = alpha.scalar(row.index), b.mul(row.index, stride)
        offset = _splat(b, own)
        with cgutils.for_range(b, blocks) as block:
            t = b.mul(block.index, lanes)
            k = b.add(line, t)
            gradient = b.fsub(b.fsub(costs.load(k), offset, FLAGS), beta.load(t), FLAGS)
            gradient = b.fadd(b.fadd(gradient, over.load(k), FLAGS), across.load(k), FLAGS)
            old = y.load(k)
            new = b.fsub(old, b.fmul(step, gradient, FLAGS), FLAGS)
            new = b.select(b.fcmp_ordered(">", new, _ZERO, FLAGS), new, _ZERO)
            further = b.fsub(b.fadd(new, new, FLAGS), old, FLAGS)
            y.store(new, k)
            # Sums of the extrapolation are taken while it is in registers; it is never stored.
            spent.add(further, k)
            crossed.add(further, k)
            column.add(further, t)
            b.store(b.fadd(b.load(total), further, FLAGS), total)
        missing = b.fsub(ahead.scalar(row.index), _sum(b, b.load(total)), FLAGS)
        alpha.put(b.fadd(own, b.fmul(sigma, missing, FLAGS), FLAGS), row.index)
    # Only now: every row above needed β as it was, and column sums are complete behind the last.
    rate = _splat(b, sigma)
    with cgutils.for_range(b, blocks) as block:
        t = b.mul(block.index, lanes)
        beta.add(b.fmul(rate, b.fsub(head.load(t), column.load(t), FLAGS), FLAGS), t)
