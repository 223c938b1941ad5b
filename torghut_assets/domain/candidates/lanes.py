"""Eight numbers at a time: the vector type in which compiled kernels run accounts side by side.

A kernel that is written with `load`, `fill`, `where`, `store` and the operators computes eight
independent lanes with one instruction each. There is no operation across lanes, no fast-math and
no fused multiply-add, so a lane gets the bits that a plain loop over numbers would give it.
Interpreted, the same source runs on NumPy arrays of eight numbers; tests compare the two.

Import it late: it loads numba.
"""

# ruff: noqa: ARG001, ARG005, PLW0108 - numba fixes the signatures of what it calls

import operator
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending
from numba.core import cgutils, types
from numba.extending import models, register_model

intrinsic: Callable[[Callable[..., Any]], Any] = extending.intrinsic
overload: Callable[..., Callable[[Callable[..., Any]], Any]] = extending.overload
_declared: Any = cgutils.get_or_insert_function

LANES: Final = 8
"""Numbers in one vector; machines with narrower registers use several of them."""

_NUMBERS = ir.VectorType(ir.DoubleType(), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)
_INDEX = ir.VectorType(ir.IntType(32), LANES)


class _LanesType(types.Type):
    """Compiled type of eight float64, or of eight truth values."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)


class _MaskType(_LanesType):
    """Compiled type of what a comparison returns."""


_LANES = _LanesType("Lanes")
_MASK = _MaskType("LanesMask")


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _NUMBERS)  # type: ignore[no-untyped-call]


@register_model(_MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _BITS)  # type: ignore[no-untyped-call]


def fill(number: float) -> npt.NDArray[Any]:
    """Eight times the same number."""
    return np.full(LANES, number)


def load(array: npt.NDArray[Any], start: int) -> npt.NDArray[Any]:
    """Eight numbers of a contiguous array of one dimension, from `start` on; not checked."""
    loaded: npt.NDArray[Any] = array[start : start + LANES].copy()
    return loaded


def store(array: npt.NDArray[Any], start: int, lanes: npt.NDArray[Any]) -> None:
    """Write eight numbers into a contiguous array of one dimension; not checked."""
    array[start : start + LANES] = lanes


def where(mask: npt.NDArray[Any], yes: Any, no: Any) -> npt.NDArray[Any]:
    """Take `yes` in the lanes that `mask` marks and `no` in the others."""
    chosen: npt.NDArray[Any] = np.where(mask, yes, no)
    return chosen


def square_root(lanes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Square root, rounded as IEEE 754 says."""
    root: npt.NDArray[Any] = np.sqrt(lanes)
    return root


def _spread(builder: Any, number: Any) -> Any:
    """One number in every lane."""
    nothing = ir.Constant(_NUMBERS, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_INDEX, [0] * LANES))


def _vectors(builder: Any, kinds: Any, values: Any) -> list[Any]:
    return [
        _spread(builder, value) if kind == types.float64 else value
        for kind, value in zip(kinds, values, strict=True)
    ]


def _place(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.bitcast(builder.gep(array.data, [values[1]]), _NUMBERS.as_pointer())


_BYTES_OF_A_NUMBER: Final = 8


@intrinsic
def _fill(_: Any, number: Any) -> Any:
    return _LANES(types.float64), lambda context, builder, signature, values: _spread(
        builder, values[0]
    )


@intrinsic
def _load(_: Any, array: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        loaded = builder.load(_place(context, builder, signature, values))
        loaded.align = _BYTES_OF_A_NUMBER
        return loaded

    return _LANES(array, types.intp), generate


@intrinsic
def _store(_: Any, array: Any, start: Any, lanes: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        stored = builder.store(values[2], _place(context, builder, signature, values))
        stored.align = _BYTES_OF_A_NUMBER
        return context.get_dummy_value()

    return types.none(array, types.intp, _LANES), generate


@intrinsic
def _where(_: Any, mask: Any, yes: Any, no: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        chosen = _vectors(builder, signature.args[1:], values[1:])
        return builder.select(values[0], *chosen)

    return _LANES(mask, yes, no), generate


@overload(fill, strict=False)
def _compile_fill(number: Any) -> Any:
    return lambda number: _fill(float(number))


@overload(load, strict=False)
def _compile_load(array: Any, start: Any) -> Any:
    return lambda array, start: _load(array, start)


@overload(store, strict=False)
def _compile_store(array: Any, start: Any, lanes: Any) -> Any:
    return lambda array, start, lanes: _store(array, start, lanes)


@overload(where, strict=False)
def _compile_where(mask: Any, yes: Any, no: Any) -> Any:
    return lambda mask, yes, no: _where(mask, yes, no)


def _unary(name: str) -> Any:
    """Compile a function of LLVM that works lane by lane."""

    @intrinsic
    def of(_: Any, lanes: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(_NUMBERS, [_NUMBERS])
            return builder.call(_declared(builder.module, kind, name), values)

        return _LANES(lanes), generate

    return of


_absolute = _unary(f"llvm.fabs.v{LANES}f64")
_root = _unary(f"llvm.sqrt.v{LANES}f64")


@overload(abs, strict=False)
def _compile_abs(lanes: Any) -> Any:
    return (lambda lanes: _absolute(lanes)) if lanes == _LANES else None


@overload(square_root, strict=False)
def _compile_square_root(lanes: Any) -> Any:
    return lambda lanes: _root(lanes)


def _binary(operation: Any, result: Any, build: Callable[[Any, Any, Any], Any]) -> None:
    """Compile one operator for two vectors, or for a vector and a number."""

    @intrinsic
    def of(_: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return build(builder, *_vectors(builder, signature.args, values))

        return result(left, right), generate

    @overload(operation, strict=False)
    def _compile(left: Any, right: Any) -> Any:
        numbers = {left, right} <= {_LANES, types.float64} and _LANES in (left, right)
        masks = operation in (operator.and_, operator.or_) and left == right == _MASK
        return (lambda left, right: of(left, right)) if numbers or masks else None


_binary(operator.add, _LANES, lambda builder, x, y: builder.fadd(x, y))
_binary(operator.sub, _LANES, lambda builder, x, y: builder.fsub(x, y))
_binary(operator.mul, _LANES, lambda builder, x, y: builder.fmul(x, y))
_binary(operator.truediv, _LANES, lambda builder, x, y: builder.fdiv(x, y))
_binary(operator.lt, _MASK, lambda builder, x, y: builder.fcmp_ordered("<", x, y))
_binary(operator.gt, _MASK, lambda builder, x, y: builder.fcmp_ordered(">", x, y))
_binary(operator.le, _MASK, lambda builder, x, y: builder.fcmp_ordered("<=", x, y))
_binary(operator.eq, _MASK, lambda builder, x, y: builder.fcmp_ordered("==", x, y))
_binary(operator.ne, _MASK, lambda builder, x, y: builder.fcmp_unordered("!=", x, y))
_binary(operator.and_, _MASK, lambda builder, x, y: builder.and_(x, y))
_binary(operator.or_, _MASK, lambda builder, x, y: builder.or_(x, y))

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
"""Decorator of a kernel: no fast-math, no interpreter lock, kept on disk."""
