"""The page that shows the API: Swagger UI, in a frame that everybody can use."""

from __future__ import annotations

from ninja.openapi.docs import Swagger


class DocsPage(Swagger):
    """Ninja's, with the page's language, a main part, a width for phones, and stronger colours."""

    template = "duly/api_docs.html"
