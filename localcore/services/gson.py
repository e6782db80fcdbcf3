"""JSON values as the Java nucleus's Gson reads them.

>>> with_doubles({"n": 3, "deep": [1, True, None, "1"]})
{'n': 3.0, 'deep': [1.0, True, None, '1']}
"""

from typing import Any

from localcore.services import UnreadableRequest

# JsonReader.DEFAULT_NESTING_LIMIT; without it the depth would be Python's stack.
MAX_NESTING = 255


def with_doubles(value: Any, depth: int = 1) -> Any:
    """A copy in which every whole number is a double (Gson's `ObjectTypeAdapter`).

    From 2**53 on they lose digits, as they do on the nucleus.

    Raises:
        UnreadableRequest: nested deeper than `MAX_NESTING`, or a number beyond doubles.
    """
    if isinstance(value, dict | list):
        if depth > MAX_NESTING:
            raise UnreadableRequest(f"JSON is nested deeper than the limit of {MAX_NESTING}")
        if isinstance(value, list):
            return [with_doubles(item, depth + 1) for item in value]
        return {key: with_doubles(item, depth + 1) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise UnreadableRequest("a number is too large for a double") from None
    return value
