"""Vector instructions for tabu search on products: see `tabu/product_numba` for what is computed, `simd_numba` for why.

Arrays are flat, of float32 or float64; offsets count numbers and are not checked.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils

from gmssl.parts.solvers.kernels.simd_numba import LANES, intrinsic

NONE = 1e30
"""Above every gain, in float32, too: there is no swap."""
FLAGS = ("nnan", "nsz", "contract")  # no reassociation: sums of whole numbers are exact either way, others repeat

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _i64(value):
    return ir.Constant(_I64, value)


class _Numbers:
    """Vectors and scalars of an array from an offset on."""

    def __init__(self, context, builder, signature, args, which):
        self._builder = builder
        self.data = context.make_array(signature.args[which])(context, builder, args[which]).data
        self.element = self.data.type.pointee
        self.vector = ir.VectorType(self.element, LANES)

    def constant(self, value):
        return ir.Constant(self.vector, [ir.Constant(self.element, value)] * LANES)

    def splat(self, scalar):
        b = self._builder
        one = b.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(_I32, 0))
        mask = ir.Constant(ir.VectorType(_I32, LANES), [ir.Constant(_I32, 0)] * LANES)
        return b.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), mask)

    def _at(self, index):
        return self._builder.bitcast(self._builder.gep(self.data, [index]), self.vector.as_pointer())

    def load(self, index):
        return self._builder.load(self._at(index), align=4)

    def store(self, value, index):
        self._builder.store(value, self._at(index), align=4)

    def scalar(self, index):
        return self._builder.load(self._builder.gep(self.data, [index]))


def _rest(builder, x, y, own, other, t):
    """(x_u − x_v)(y_u − y_v) for eight v from t on."""
    b = builder
    return b.fmul(b.fsub(own, x.load(t), FLAGS), b.fsub(other, y.load(t), FLAGS), FLAGS)


@intrinsic
def shift(typingctx, delta, x, y, rows, stride):
    """`delta[u·stride + v] −= (x[u] − x[v]) (y[u] − y[v])` for u < rows and v from the block of u on.

    Args:
        delta: `[rows·stride]`, x, y: `[stride]`, stride a multiple of 8.
    """

    def codegen(context, builder, signature, args):
        b = builder
        gains, xs, ys = (_Numbers(context, b, signature, args, k) for k in range(3))
        with cgutils.for_range(b, args[3]) as row:
            own, other = xs.splat(xs.scalar(row.index)), ys.splat(ys.scalar(row.index))
            line, first = b.mul(row.index, args[4]), b.and_(row.index, _i64(-LANES))
            with cgutils.for_range_slice(b, first, args[4], _i64(LANES), _I64) as (t, _):
                k = b.add(line, t)
                gains.store(b.fsub(gains.load(k), _rest(b, xs, ys, own, other, t), FLAGS), k)
        return context.get_dummy_value()

    return types.void(delta, x, y, types.intp, types.intp), codegen


def _first_of_least(builder, values, places):
    """The least number in vectors of them, and the least code that has it."""
    b, least, code = builder, None, None
    for numbers, codes in zip(values, places, strict=True):
        for lane in range(LANES):
            value, place = (b.extract_element(v, ir.Constant(_I32, lane)) for v in (numbers, codes))
            if least is None:
                least, code = value, place
                continue
            # The least code wins a tie, so that the answer does not depend on the number of lanes.
            wins = b.or_(
                b.fcmp_ordered("<", value, least),
                b.and_(b.fcmp_ordered("==", value, least), b.icmp_signed("<", place, code)),
            )
            least, code = b.select(wins, value, least), b.select(wins, place, code)
    return least, code


@intrinsic
def sweep(typingctx, delta, until, x, y, rows, stride, now, aspiration):
    """`shift`, and the least gain that is permitted: `until ≤ now`, or below `aspiration`.

    Returns:
        int64: u·stride + v of that swap, the first of equals in its lane; −1 if there is none.
    """

    def codegen(context, builder, signature, args):
        b = builder
        gains, marks, xs, ys = (_Numbers(context, b, signature, args, k) for k in range(4))
        _, _, _, _, rows, stride, now, aspiration = args
        codes = ir.VectorType(_I32, LANES)
        # Two blocks at a time: each waits for the least gain before it, and they need not wait for each other.
        best = [cgutils.alloca_once(b, gains.vector) for _ in range(2)]
        where = [cgutils.alloca_once(b, codes) for _ in range(2)]
        for k in range(2):
            b.store(gains.constant(NONE), best[k])
            b.store(ir.Constant(codes, [ir.Constant(_I32, -1)] * LANES), where[k])
        lanes = ir.Constant(codes, [ir.Constant(_I32, lane) for lane in range(LANES)])
        time, hoped = marks.splat(now), gains.splat(aspiration)

        def look(k, own, other, line, t):
            place = b.add(line, t)
            gain = b.fsub(gains.load(place), _rest(b, xs, ys, own, other, t), FLAGS)
            gains.store(gain, place)
            free = b.or_(b.fcmp_ordered("<=", marks.load(place), time), b.fcmp_ordered("<", gain, hoped))
            known = b.load(best[k])
            better = b.and_(free, b.fcmp_ordered("<", gain, known))
            b.store(b.select(better, gain, known), best[k])
            code = b.insert_element(ir.Constant(codes, ir.Undefined), b.trunc(place, _I32), ir.Constant(_I32, 0))
            code = b.shuffle_vector(
                code, ir.Constant(codes, ir.Undefined), ir.Constant(codes, [ir.Constant(_I32, 0)] * LANES)
            )
            b.store(b.select(better, code, b.load(where[k])), where[k])

        with cgutils.for_range(b, rows) as row:
            own, other = xs.splat(xs.scalar(row.index)), ys.splat(ys.scalar(row.index))
            line, first = b.mul(row.index, stride), b.and_(row.index, _i64(-LANES))
            odd = b.and_(b.sub(stride, first), _i64(LANES))
            with cgutils.for_range_slice(b, first, b.sub(stride, odd), _i64(2 * LANES), _I64) as (t, _):
                look(0, own, other, line, t)
                look(1, own, other, line, b.add(t, _i64(LANES)))
            with b.if_then(b.icmp_signed(">", odd, _i64(0))):
                look(0, own, other, line, b.sub(stride, odd))
        values = [b.load(x) for x in best]
        places = [b.add(b.load(x), lanes) for x in where]
        least, code = _first_of_least(b, values, places)
        none = b.fcmp_ordered(">=", least, ir.Constant(gains.element, NONE))
        return b.select(none, _i64(-1), b.sext(code, _I64))

    element = delta.dtype
    return types.int64(delta, until, x, y, types.intp, types.intp, element, element), codegen


@intrinsic
def add_product(typingctx, total, y, x, rows, stride):
    """`total[v·stride + u] += y[v] x[u]` for v < rows and u < stride."""

    def codegen(context, builder, signature, args):
        b = builder
        sums, ys, xs = (_Numbers(context, b, signature, args, k) for k in range(3))
        with cgutils.for_range(b, args[3]) as row:
            factor, line = ys.splat(ys.scalar(row.index)), b.mul(row.index, args[4])
            with cgutils.for_range_slice(b, _i64(0), args[4], _i64(LANES), _I64) as (u, _):
                k = b.add(line, u)
                sums.store(b.fadd(sums.load(k), b.fmul(factor, xs.load(u), FLAGS), FLAGS), k)
        return context.get_dummy_value()

    return types.void(total, y, x, types.intp, types.intp), codegen


@intrinsic
def add_gains(typingctx, gains, a, b, at, factor, x, y, r, stride):
    """`gains[u] += factor a[at + u] b[at + u] + (x[u] − x[r]) (y[u] − y[r])` for u < stride."""

    def codegen(context, builder, signature, args):
        b = builder
        sums, one, two = (_Numbers(context, b, signature, args, k) for k in range(3))
        xs, ys = (_Numbers(context, b, signature, args, k) for k in (5, 6))
        factor, own, other = one.splat(args[4]), xs.splat(xs.scalar(args[7])), ys.splat(ys.scalar(args[7]))
        with cgutils.for_range_slice(b, _i64(0), args[8], _i64(LANES), _I64) as (u, _):
            k = b.add(args[3], u)
            product = b.fmul(b.fmul(factor, one.load(k), FLAGS), two.load(k), FLAGS)
            change = b.fadd(product, _rest(b, xs, ys, own, other, u), FLAGS)
            sums.store(b.fadd(sums.load(u), change, FLAGS), u)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(gains, a, b, intp, a.dtype, x, y, intp, intp), codegen


@intrinsic
def take_differences(typingctx, target, source, at, minus, factor, stride):
    """`target[u] = factor (source[at + u] − source[minus + u])` for u < stride."""

    def codegen(context, builder, signature, args):
        b = builder
        to, of = (_Numbers(context, b, signature, args, k) for k in range(2))
        factor = to.splat(args[4])
        with cgutils.for_range_slice(b, _i64(0), args[5], _i64(LANES), _I64) as (u, _):
            change = b.fsub(of.load(b.add(args[2], u)), of.load(b.add(args[3], u)), FLAGS)
            to.store(b.fmul(factor, change, FLAGS), u)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(target, source, intp, intp, target.dtype, intp), codegen


@intrinsic
def exchange(typingctx, array, one, other, stride):
    """Swap `array[one + u]` and `array[other + u]` for u < stride."""

    def codegen(context, builder, signature, args):
        b = builder
        line = _Numbers(context, b, signature, args, 0)
        with cgutils.for_range_slice(b, _i64(0), args[3], _i64(LANES), _I64) as (u, _):
            here, there = b.add(args[1], u), b.add(args[2], u)
            first, second = line.load(here), line.load(there)
            line.store(second, here)
            line.store(first, there)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp), codegen


@intrinsic
def number(typingctx, array, index):
    """`array[index]`, unchecked."""

    def codegen(context, builder, signature, args):
        return _Numbers(context, builder, signature, args, 0).scalar(args[1])

    return array.dtype(array, types.intp), codegen


@intrinsic
def put(typingctx, array, index, value):
    """`array[index] = value`, unchecked."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], builder.gep(_Numbers(context, builder, signature, args, 0).data, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), codegen
