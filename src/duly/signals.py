"""Django signals. Each is sent at least once for what it tells, by whichever engine runs it."""

from __future__ import annotations

from django.dispatch import Signal

occurrence_died = Signal()
"""An occurrence has used up its attempts, or was given up.

sender: `duly.models.Occurrence`. occurrence: the row, with its error.
A receiver that raises fails the telling, which is tried again as any occurrence is.
"""
