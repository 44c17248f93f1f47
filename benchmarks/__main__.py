"""``python -m benchmarks [NAME …]``, on the database that DATABASE_URL names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_admin.settings")
django.setup()

from benchmarks import flat, hot, items, resources, sizes, worker, writes  # noqa: E402

ALL: dict[str, Callable[[], str | Iterable[str]]] = {
    "hot": hot.run,
    "writes": writes.run,
    "worker": worker.run,
    "flat": flat.run,
    "items": items.run,
    "resources": resources.run,
    "sizes": sizes.run,
}


def main(names: list[str]) -> None:
    for name in names or list(ALL):
        found = ALL[name]()
        for part in [found] if isinstance(found, str) else found:
            print(part, end="\n\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
