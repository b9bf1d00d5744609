"""The admin's login: who brings one wrong password after the other is told to wait.

Counted in the memory of each process, and bounded, as bad keys are: several processes of another
server let pass as many times more. Nobody is locked out from elsewhere by who guesses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from duly import clock
from duly.access.throttle import Throttle, network_of
from duly.policy.rate import Rate
from duly.telemetry import emit

FOR_ONE_LOGIN = Rate(5, timedelta(minutes=5))
"""Wrong passwords of one user from one address: five at once, and then one a minute."""
FROM_ONE_ADDRESS = Rate(30, timedelta(minutes=5))
"""The same, whatever users it tries."""

wrong = Throttle()
"""The wrong passwords of late, of this process."""


class ThrottledLogin(AdminAuthenticationForm):
    """Looks at no password while there have been too many wrong ones, not even at the right one.

    Else the answer would say which guess was right.
    """

    def clean(self) -> dict[str, Any]:
        now = clock.current().monotonic()
        if wait := self._wait(now):
            raise ValidationError(
                "Too many wrong passwords for this user, or from your address: "
                f"none is looked at for {wait} s.",
                code="throttled",
            )
        try:
            return super().clean()
        except ValidationError:
            for name, rate in self._counted():
                wrong.failed(name, rate, now)
            # Whoever guesses chooses the name: as a literal, it is one line of a log.
            user = ascii(self._user())
            emit("login.failed", address=self._address(), user=user, wait_seconds=self._wait(now))
            raise

    def _wait(self, now: float) -> int:
        """Say for how many seconds nothing is looked at."""
        waits = [wrong.wait(name, rate, now) for name, rate in self._counted()]
        longest = max((wait for wait in waits if wait is not None), default=timedelta())
        return math.ceil(longest.total_seconds())

    def _counted(self) -> Iterator[tuple[str, Rate]]:
        address = self._address()
        yield address, FROM_ONE_ADDRESS
        yield f"{address} {self._user()}", FOR_ONE_LOGIN

    def _address(self) -> str:
        return network_of(self.request.META.get("REMOTE_ADDR", "")) if self.request else ""

    def _user(self) -> str:
        # No user has a longer name, and none of it is kept.
        return str(self.cleaned_data.get("username", ""))[:150]
