"""A caller: on whose behalf a request is made, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass

from duly.policy.scopes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever has shown a key or a token."""

    actor: str
    """As the ledger names it, such as `key:billing/3f9a` or `jwt:alice`; never a secret."""
    service: str
    """Whose events it sees and touches; others' do not exist for it."""
    scopes: frozenset[Scope]

    @property
    def sees_all(self) -> bool:
        """Whether it sees and touches the events of every service."""
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        """Say whether it may do this."""
        return scope in self.scopes or self.sees_all

    def may_touch(self, service: str) -> bool:
        """Say whether it sees and touches the events of a service."""
        return self.sees_all or service == self.service
