"""Which Celery app is the project's."""

from __future__ import annotations

from celery import Celery, _state

from duly.errors import ConfigurationError


def project_app() -> Celery:
    """Give the Celery app of this process.

    Celery's own `current_app` is a thread's: in any other than the one that made the app it is
    an app without a broker. Raises ConfigurationError where there is none, or more than one.
    """
    if _state._tls.current_app is not None:
        return _state._tls.current_app
    found = [app for app in _state._get_active_apps() if app.set_as_current]
    if len(found) != 1:
        names = sorted(str(app.main) for app in found)
        raise ConfigurationError(
            f"this process has {len(found)} Celery apps {names}; one is needed: import it in the "
            "__init__.py of your project, or pass app="
        )
    return found[0]
