"""What the herd page was asked to show: the query string as values. Nonsense finds nothing, and harms nothing."""

from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

LONGEST = 100


@dataclass(frozen=True)
class Filters:
    """Empty is "all". `page` counts from 1."""

    q: str = ""
    state: str = ""
    kind: str = ""
    zone: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: QueryDict) -> "Filters":
        words = {
            name: query.get(name, "").replace("\0", "").strip()[:LONGEST] for name in ("q", "state", "kind", "zone")
        }
        page = query.get("page", "")
        return cls(**words, page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 8 else 1)

    @property
    def narrowed(self) -> bool:
        """Whether less is wanted than the herd, or one zone of it, from its beginning."""
        return bool(self.q or self.state or self.kind or self.page > 1)

    def but(self, **changes: Any) -> str:
        """The query string that shows the same but for the changes, from its first page."""
        return replace(self, **{"page": 1} | changes).string()

    def string(self) -> str:
        query = QueryDict(mutable=True)
        for name in ("q", "state", "kind", "zone"):
            if value := getattr(self, name):
                query[name] = value
        if self.page > 1:
            query["page"] = str(self.page)
        return f"?{query.urlencode()}"
