"""``/openapi.json``: the whole surface as OpenAPI 3.1, made from ``edm`` and one table of calls.

A generator of our own, and not drf-spectacular: the views here shape plain dicts, and the surface
is one table of calls under two versions and two ways in, which is less to write down than to
annotate view by view. ``tests/test_openapi.py`` holds it against the URLs and the answers.
"""

from operations.api.openapi.document import document

__all__ = ["document"]
