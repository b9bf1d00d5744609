"""How Django meets duly."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

from duly import tracing


class DulyConfig(AppConfig):
    """Chooses the time zone data, registers the checks and finds every handler."""

    name = "duly"
    verbose_name = "duly"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here: what they need (models, settings) is not ready any earlier.
        import_module("duly.checks").choose_tzdata()
        import_module("duly.brokers").register()
        # Whoever reads a payload may need the keys of a service.
        import_module("duly.services")
        tracing.trace_by(opentelemetry)
        import_module("duly.checks").discover_handlers()


def opentelemetry() -> tracing.Tracer:
    """Give what makes spans for OpenTelemetry, which the process has imported."""
    tracer: tracing.Tracer = import_module("duly.exporters.opentelemetry").OpenTelemetry()
    return tracer
