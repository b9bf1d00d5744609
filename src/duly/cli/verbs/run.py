"""`duly run`: one engine with its local workers, until it is told to stop."""

from __future__ import annotations

import math
import sys
from argparse import Namespace
from dataclasses import fields, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from duly import clock
from duly.cli.introductions import introduction, say_json, say_text
from duly.cli.once import Once
from duly.cli.processes import Engines
from duly.cli.signals import stop_signals
from duly.conf import Config, config
from duly.engine.loop import Engine
from duly.engine.options import EngineOptions
from duly.errors import ConfigurationError
from duly.exporters.logs import write_json

if TYPE_CHECKING:
    from duly.exporters.scrapes import Scrapes

LAST_PORT = 65_535
MOST_PROCESSES = 64


def perform(options: Namespace) -> int:
    """Run an engine until SIGTERM or SIGINT; 1 where not all of it could be written down."""
    if options.log == "json":
        write_json()
    settings = overridden(config(), options)
    count = options.processes
    if not 1 <= count <= MOST_PROCESSES:
        raise ConfigurationError(f"--processes must be 1 to {MOST_PROCESSES}, got {count}")
    _check_port(options.metrics_port, count)
    if count > 1:
        each = Namespace(**vars(options) | {"processes": 1})
        with stop_signals() as signals:
            return Engines(each, count, _say_plain).run(signals)
    engine_options = EngineOptions.of(settings)
    say = say_json if options.json else say_text
    once = Once(engine_options, say) if options.once else None
    engine = Engine(engine_options, handed_over=once.handed_over if once else None)
    scrapes = _serve_metrics(options, engine)
    with stop_signals() as signals:
        began = clock.now(settings.database)
        engine.start()
        say("engine.started", introduction(engine_options))
        try:
            if once:
                once.wait(began, signals)
            else:
                signals.get()
        finally:
            clean = engine.stop()
            if scrapes:
                scrapes.close()
        say("engine.stopped", {"holder": str(engine_options.holder), "clean": clean})
    return 0 if clean else 1


def _check_port(port: int | None, count: int) -> None:
    if port is None:
        return
    if not 1 <= port <= LAST_PORT - count + 1:
        most = LAST_PORT - count + 1
        raise ConfigurationError(
            f"--metrics-port must be 1 to {most} for --processes {count}, got {port}"
        )
    if find_spec("prometheus_client") is None:
        raise ConfigurationError(
            "--metrics-port needs prometheus-client: pip install 'duly[metrics]'"
        )


def _serve_metrics(options: Namespace, engine: Engine) -> Scrapes | None:
    if options.metrics_port is None:
        return None
    # Not above: it needs what who wants no metrics need not have.
    from prometheus_client import disable_created_metrics

    from duly.exporters.metrics import serve, shared

    disable_created_metrics()  # type: ignore[no-untyped-call]
    shared().runs(engine)
    return serve(options.metrics_host, options.metrics_port)


def overridden(settings: Config, options: Namespace) -> Config:
    """Give the settings with what the command line says in their place."""
    given = {
        field.name: getattr(options, field.name)
        for field in fields(Config)
        if getattr(options, field.name, None) is not None
    }
    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"--{name.replace('_', '-')} must be finite, got {value}")
    return replace(settings, **given)


def _say_plain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
