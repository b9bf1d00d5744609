"""Every error that duly raises on purpose.

Each is a `DulyError` and, where that is its nature, also the builtin that a
caller would expect (`ValueError` for bad input, `LookupError` for a name that
is not there). Messages say what was wrong, with the value, and what to do.
"""

from __future__ import annotations

from datetime import timedelta


class DulyError(Exception):
    """Base of every error that duly raises on purpose."""


class ConfigurationError(DulyError, ValueError):
    """A setting or an option has a value that cannot work."""


class AddressTaken(DulyError, OSError):
    """The address that was to be served is another process's."""


class UnknownZone(DulyError, ValueError, LookupError):
    """A time zone name that the tz database in use does not hold."""


class InvalidTime(DulyError, ValueError):
    """A civil time or an instant that is malformed or out of range."""


class NonexistentTime(InvalidTime):
    """A civil time inside a gap, under the policy `gap="reject"`."""


class AmbiguousTime(InvalidTime):
    """A civil time inside an overlap, under the policy `fold="reject"`."""


class InvalidRule(DulyError, ValueError):
    """A rule that is malformed, or that can never match."""


class InvalidEvent(DulyError, ValueError):
    """A field of an event (type, key, entity, service, policy) that breaks its rule."""


class InvalidPayload(DulyError, ValueError):
    """A payload that is not JSON, or is too large, too deep or too wide to store."""


class UnreadablePayload(DulyError, ValueError):
    """An encrypted payload whose key is not in this process, or that was moved or tampered with.

    what: whose payload it is, and what is wrong with it, for anybody who may see the event.
    more: for the operator: which files or variables could not be read.
    """

    def __init__(self, what: str, more: str = "") -> None:
        super().__init__(f"{what}; {more}" if more else what)
        self.what = what


class UnknownEventType(DulyError, LookupError):
    """No handler is registered for an event type."""


class InvalidOutcome(DulyError, ValueError):
    """A handler of batches returned what says nothing of its occurrences."""


class DuplicateHandler(DulyError, ValueError):
    """Two handlers claim the same event type."""


class EventNotFound(DulyError, LookupError):
    """No event has this id or key."""


class EventConflict(DulyError, ValueError):
    """The event exists already, or is not in a state that allows the change."""


class InvalidSignature(DulyError, ValueError):
    """A webhook that nobody who knows the secret signed, or that was signed too long ago."""


class TargetFailed(DulyError):
    """A target was not reached, did not answer in time, or is in trouble: worth another attempt.

    after: the wait that the target asked for; None leaves it to the retry policy.
    """

    def __init__(self, message: str, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class RequestRefused(DulyError):
    """A target is well, and will not take this request: no other attempt would change that."""


class AddressRefused(DulyError):
    """A target's name leads to an address where duly does not send; nothing was sent."""


class BrokerUnavailable(DulyError, ConnectionError):
    """A message broker did not take a message in time."""


class InvalidSaga(DulyError, ValueError):
    """A saga's definition, context or signal that breaks its rule."""


class UnknownSaga(DulyError, LookupError):
    """No saga is defined by this name."""


class SagaNotFound(DulyError, LookupError):
    """No saga has this id or key."""


class SagaConflict(DulyError, ValueError):
    """The saga exists already, or is not in a state that allows the change."""


class InvalidKey(DulyError, ValueError):
    """A field of an API key (service, name, scopes, expiry) that breaks its rule."""


class KeyNotFound(DulyError, LookupError):
    """No API key has this id or prefix."""


class KeyConflict(DulyError, ValueError):
    """The API key is not in a state that allows the change."""
