"""A loop in Python -> the same loop as machine code.

It is compiled when it is first called with arrays of a kind, for a second or so. numba keeps the result in
`__pycache__` beside the file or, where that cannot be written, in the user's cache (NUMBA_CACHE_DIR names
another place). Where none can be written, every process compiles for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable")


def compiled(function: Function) -> Function:
    """The function, compiled; other threads of Python go on while it runs."""
    try:
        return cast("Function", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # there is no place for a cache
        return cast("Function", njit(nogil=True)(function))
