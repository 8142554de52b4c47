"""Vector instructions for kernels, written in LLVM's own language, so that no compiler is needed at installation.

numba's loops vectorise where memory is contiguous and the trip count pays for it. Tabu search on some ten to thirty
vertices has neither: it adds a matrix to its transpose, and rows of two to four vectors. These functions say what is
meant. LLVM turns vectors of eight int32 into whatever the machine has (AVX2, AVX-512, NEON, SSE).

All work on one flat int32 array. Offsets are not checked and must not be negative: numba's own indexing spends a
comparison and a selection on each access to let negative ones count from the end.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
import numba.extending
import numpy as np
from numba import types
from numba.core import cgutils

intrinsic: Any = numba.extending.intrinsic  # its type keeps the typing context among the arguments of a call

LANES = 8
NEVER = np.int32(2**31 - 1)

# A number of `rows` carries a gain in its lower 29 bits and above them, as multiples of TABU, how often it is tabu.
TABU = np.int32(2**29)
GAIN_LIMIT = 2**28

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_I32, LANES)


def _i64(value):
    return ir.Constant(_I64, value)


def _constant(values):
    return ir.Constant(_VECTOR, [ir.Constant(_I32, int(v)) for v in values])


def _splat(builder, scalar):
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), _constant([0] * LANES))


class _Memory:
    """The array, read and written eight numbers at a time; numpy promises no alignment beyond four bytes."""

    def __init__(self, context, builder, signature, args, which=0):
        self._builder = builder
        self._data = context.make_array(signature.args[which])(context, builder, args[which]).data

    def _at(self, offset):
        return self._builder.bitcast(self.element(offset), _VECTOR.as_pointer())

    def element(self, offset):
        return self._builder.gep(self._data, [offset])

    def load(self, offset):
        return self._builder.load(self._at(offset), align=4)

    def store(self, value, offset):
        self._builder.store(value, self._at(offset), align=4)

    def scalar(self, offset):
        return self._builder.load(self.element(offset))


@intrinsic
def peek(typingctx, array, offset):
    """`array[offset]`, unchecked."""

    def codegen(context, builder, signature, args):
        memory = _Memory(context, builder, signature, args)
        return memory.scalar(args[1])

    return types.int32(array, types.intp), codegen


@intrinsic
def poke(typingctx, array, offset, value):
    """`array[offset] = value`, unchecked."""

    def codegen(context, builder, signature, args):
        memory = _Memory(context, builder, signature, args)
        builder.store(args[2], memory.element(args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int32), codegen


@intrinsic
def increase(typingctx, array, offset, value):
    """`array[offset] += value`, unchecked."""

    def codegen(context, builder, signature, args):
        memory = _Memory(context, builder, signature, args)
        builder.store(builder.add(memory.scalar(args[1]), args[2]), memory.element(args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int32), codegen


def _for_blocks(builder, count, body):
    """`body(offset)` for each block of a row; two (9 to 16 vertices) without a loop: a seventh of a search's time."""
    with builder.if_else(builder.icmp_signed("==", count, _i64(2))) as (two, other):
        with two:
            body(_i64(0))
            body(_i64(LANES))
        with other, cgutils.for_range(builder, count) as loop:
            body(builder.mul(loop.index, _i64(LANES)))


@intrinsic
def add_row(typingctx, array, target, plus, blocks):
    """`array[target + t] += array[plus + t]` for t in 0..8·blocks−1."""

    def codegen(context, builder, signature, args):
        memory = _Memory(context, builder, signature, args)

        def body(offset):
            here, there = (builder.add(x, offset) for x in args[1:3])
            memory.store(builder.add(memory.load(here), memory.load(there)), here)

        _for_blocks(builder, args[3], body)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp), codegen


@intrinsic
def shift_row(typingctx, array, target, plus, minus, blocks):
    """`array[target + t] += array[plus + t] − array[minus + t]` for t in 0..8·blocks−1."""

    def codegen(context, builder, signature, args):
        memory = _Memory(context, builder, signature, args)

        def body(offset):
            here, new, old = (builder.add(x, offset) for x in args[1:4])
            change = builder.sub(memory.load(new), memory.load(old))
            memory.store(builder.add(memory.load(here), change), here)

        _for_blocks(builder, args[4], body)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp, types.intp), codegen


@intrinsic
def swap_rows(typingctx, array, one, other, blocks):
    """Exchange `array[one + t]` and `array[other + t]` for t in 0..8·blocks−1."""

    def codegen(context, builder, signature, args):
        memory = _Memory(context, builder, signature, args)

        def body(offset):
            here, there = (builder.add(x, offset) for x in args[1:3])
            x, y = memory.load(here), memory.load(there)
            memory.store(y, here)
            memory.store(x, there)

        _for_blocks(builder, args[3], body)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp), codegen


def _transposed(builder, rows):
    """An 8×8 matrix of eight vectors, transposed by three rounds of exchanges of 1, 2 and 4 columns."""

    def exchange(one, other, low, high):
        return (builder.shuffle_vector(one, other, _constant(mask)) for mask in (low, high))

    a, b, c, d, e, f, g, h = rows
    low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
    (a, b), (c, d), (e, f), (g, h) = (exchange(x, y, low, high) for x, y in ((a, b), (c, d), (e, f), (g, h)))
    low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    (a, c), (b, d), (e, g), (f, h) = (exchange(x, y, low, high) for x, y in ((a, c), (b, d), (e, g), (f, h)))
    low, high = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
    (a, e), (c, g), (b, f), (d, h) = (exchange(x, y, low, high) for x, y in ((a, e), (c, g), (b, f), (d, h)))
    return a, c, b, d, e, g, f, h


@intrinsic
def transpose(typingctx, target, at, source, start, blocks):
    """Write the transpose of the square matrix `source[start:]`, of 8·blocks rows and columns, to `target[at:]`.

    Two flat arrays of 32-bit numbers of any kind.
    """

    def codegen(context, builder, signature, args):
        to, of = (_Memory(context, builder, signature, args, which) for which in (0, 2))
        stride = builder.mul(args[4], _i64(LANES))

        def line(begin, first, r, column):
            return builder.add(builder.add(begin, builder.mul(builder.add(first, _i64(r)), stride)), column)

        with cgutils.for_range(builder, args[4]) as high, cgutils.for_range(builder, args[4]) as low:
            top, left = (builder.mul(x.index, _i64(LANES)) for x in (high, low))
            block = _transposed(builder, [of.load(line(args[3], top, r, left)) for r in range(LANES)])
            for r in range(LANES):
                to.store(block[r], line(args[1], left, r, top))
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp, types.intp), codegen


def _least_swap(busy):
    @intrinsic
    def least_swap(typingctx, array, rows, own, idle, blocks, aspiration):
        """The best swap that is not tabu on both sides, or that is but gains more than `aspiration`.

        The gain of swapping s < t is `rows[s,t] + rows[t,s] − own[s] − own[t]`, between −2²⁸ and 2²⁸, where each of the
        two numbers of `rows` is greater by TABU if its placement is tabu.

        Args:
            array: all numbers; the following are offsets of
            rows: square matrix of 8·blocks rows and columns,
            own: `[8·blocks]`,
            idle: `[8·blocks]`, bits; two locations that share one are not swapped. Read by `least_swap_busy` only.
            blocks, aspiration: intp, int32; `aspiration` ≤ 0.

        Returns:
            int64: the gain in the upper half, NEVER if there is no swap; in the lower half the code of the swap, see
            `swap_blocks`. The least code wins a tie.
        """

        def codegen(context, builder, signature, args):
            scan = _Scan(builder, _Memory(context, builder, signature, args), args[1:], busy)
            with builder.if_else(builder.icmp_signed("==", args[4], _i64(2))) as (two, other):  # see `_for_blocks`
                with two:
                    for high, low in ((0, 0), (0, 1), (1, 1)):
                        scan.block(_i64(high), _i64(low), same=high == low)
                with other, cgutils.for_range(builder, args[4]) as high:
                    scan.block(high.index, high.index, same=True)
                    after = builder.add(high.index, _i64(1))
                    with cgutils.for_range_slice(builder, after, args[4], _i64(1), _I64) as (low, _):
                        scan.block(high.index, low, same=False)
            return scan.result()

        return types.int64(array, types.intp, types.intp, types.intp, types.intp, types.int32), codegen

    return least_swap


least_swap, least_swap_busy = _least_swap(False), _least_swap(True)


def swap_blocks(count: int) -> np.ndarray:
    """First row and column of each 8×8 block that `least_swap` visits, in its order, `[count·(count+1)]` int32.

    Code c means row `c >> 3 & 7` and column `c & 7` of block `c >> 6`.
    """
    return (LANES * np.stack(np.triu_indices(count), 1)).astype(np.int32).ravel()


class _Scan:
    """Emits the search for the least gain, block by block of 8×8."""

    def __init__(self, builder, memory, args, busy):
        self._builder, self._memory, self._busy = builder, memory, busy
        self._rows, self._own, self._idle, blocks, aspiration = args
        self._stride = builder.mul(blocks, _i64(LANES))
        self._aspiration, self._never = _splat(builder, aspiration), _constant([NEVER] * LANES)
        self._best, self._where, self._step = (cgutils.alloca_once(builder, _VECTOR) for _ in range(3))
        builder.store(self._never, self._best)
        builder.store(_constant([0] * LANES), self._where)
        builder.store(_constant([0] * LANES), self._step)

    def block(self, high, low, same):
        b = self._builder
        top, left = (b.mul(x, _i64(LANES)) for x in (high, low))
        above, below = self._lines(top, left), self._lines(left, top)
        # Two loads of whole rows and a transposition in registers; reading columns would be one load for each number.
        below = _transposed(b, above if same else below)
        columns = self._memory.load(b.add(self._own, left))
        best, where, step = b.load(self._best), b.load(self._where), b.load(self._step)
        for r in range(LANES):
            row = b.add(top, _i64(r))
            marked = b.sub(
                b.sub(b.add(above[r], below[r]), columns), _splat(b, self._memory.scalar(b.add(self._own, row)))
            )
            # The lower 29 bits with their sign: marks are multiples of 2²⁹, so shifting them out leaves the gain.
            gain = b.ashr(b.shl(marked, _constant([3] * LANES)), _constant([3] * LANES))
            # |gain| < TABU / 2: sums with one mark and with two do not overlap, and one comparison tells them apart.
            free = b.icmp_signed("<", marked, _constant([2 * int(TABU) - GAIN_LIMIT] * LANES))
            free = b.or_(free, b.icmp_signed("<", gain, self._aspiration))
            if self._busy:
                bits = self._memory.load(b.add(self._idle, left))
                both = b.and_(bits, _splat(b, self._memory.scalar(b.add(self._idle, row))))
                free = b.and_(free, b.icmp_signed("==", both, _constant([0] * LANES)))
            if same:  # only above the diagonal
                after = [ir.Constant(ir.IntType(1), lane > r) for lane in range(LANES)]
                free = b.and_(free, ir.Constant(ir.VectorType(ir.IntType(1), LANES), after))
            gain = b.select(free, gain, self._never)
            # Strictly: of equal gains in a lane the first stays, which has the least code.
            better = b.icmp_signed("<", gain, best)
            best, where = b.select(better, gain, best), b.select(better, step, where)
            step = b.add(step, _constant([1] * LANES))
        for value, place in ((best, self._best), (where, self._where), (step, self._step)):
            b.store(value, place)

    def _lines(self, first, column):
        b = self._builder
        start = b.add(self._rows, column)
        return [self._memory.load(b.add(start, b.mul(b.add(first, _i64(r)), self._stride))) for r in range(LANES)]

    def result(self):
        b = self._builder
        best, where = b.load(self._best), b.load(self._where)
        least = None
        for lane in range(LANES):
            gain, step = (b.extract_element(x, ir.Constant(_I32, lane)) for x in (best, where))
            code = b.add(b.mul(step, ir.Constant(_I32, LANES)), ir.Constant(_I32, lane))
            # Gain above code in one number: a single comparison orders by both.
            key = b.or_(b.shl(b.sext(gain, _I64), _i64(32)), b.zext(code, _I64))
            least = key if least is None else b.select(b.icmp_signed("<", key, least), key, least)
        return least
