"""Addresses and texts of the admin's pages."""

from __future__ import annotations

import html
import re
from typing import Any

from django.urls import reverse


def list_of(name: str, query: str = "") -> str:
    """Give the address of a list."""
    return reverse(f"admin:duly_{name}_changelist") + (f"?{query}" if query else "")


def page_of(row: Any, name: str = "") -> str:
    """Give the address of the page of a row."""
    return reverse(f"admin:duly_{name or row._meta.model_name}_change", args=[row.pk])


def bulk_of(name: str) -> str:
    """Give where actions for many rows are posted to."""
    return reverse(f"admin:duly_{name}_bulk")


def text_of(answer: Any) -> str:
    """Give what a page says, without its tags."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
