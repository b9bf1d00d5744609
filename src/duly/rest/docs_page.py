"""The page that shows the API: Swagger UI, in a frame that everybody can use."""

from __future__ import annotations

from typing import Any

from ninja.openapi.docs import Swagger


class DocsPage(Swagger):
    """Ninja's, with the page's language, a main part, a width for phones, and stronger colours."""

    template = "duly/api_docs.html"
    # A link within the button that opens an operation: no screen reader tells the two apart.
    default_settings: dict[str, Any] = Swagger.default_settings | {"deepLinking": False}
