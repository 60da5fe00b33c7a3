"""The beats' own questions to our database, put into SQL once and not at every beat: Django takes longer to write them
than PostgreSQL to answer. What is asked and what comes back are the same."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from fleet import context


class Compiled:
    """Stands for one of context's querysets: knows only the filter that context.load uses."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self._known: dict[int, tuple[Any, Any, str, list[Any], list[int]]] = {}

    def __call__(self) -> "Compiled":
        return self

    def filter(self, pk__in: Any) -> Any:
        ids = list(pk__in)
        if len(ids) not in self._known:
            queryset = self.make().filter(pk__in=ids)
            compiler = queryset.query.get_compiler("default")
            sql, params = compiler.as_sql()
            at = [place for place, value in enumerate(params) if value in ids]
            if len(at) != len(ids):
                return queryset
            self._known[len(ids)] = (queryset, compiler, sql, list(params), at)
        template, compiler, sql, params, places = self._known[len(ids)]
        queryset, mine, values = template._chain(), copy.copy(compiler), list(params)
        for place, value in zip(places, ids, strict=True):
            values[place] = value
        mine.as_sql = lambda *_, **__: (sql, tuple(values))
        queryset.query.get_compiler = lambda *_, **__: mine
        return queryset


@contextmanager
def compiled() -> Iterator[None]:
    with mock.patch.dict(context._QUERIES, {kind: Compiled(make) for kind, make in context._QUERIES.items()}):
        yield
