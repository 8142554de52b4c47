"""How kernels look at the flag of `threads.stopping_after`."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

from numba import types

from gmssl.parts.solvers.kernels.simd_numba import intrinsic


@intrinsic
def raised(typingctx, stop):
    """Whether `stop[0]`, of an int64 array, is not 0 now: read anew each time, though nothing here writes it."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        # LLVM takes a plain load out of a loop that does not write; an atomic one costs the same on every machine.
        now = builder.load_atomic(data, "monotonic", 8)
        return builder.icmp_signed("!=", now, now.type(0))

    return types.boolean(stop), generate
