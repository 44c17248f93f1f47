"""What to do when the row that stood in the way is gone by the time one looks at it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def once_more(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Call again, once, after an IntegrityError that the function could not name.

    The function turns the violations that it understands into named refusals. One whose cause has
    vanished in the meantime (the other connection was purged, the other registration ended) is no
    reason to fail; one that stays is a defect and is raised.
    """

    @wraps(function)
    def again(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except IntegrityError:
            return function(*args, **kwargs)

    return again
