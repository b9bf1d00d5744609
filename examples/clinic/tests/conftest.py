"""A clinic in Berlin, a patient in Sydney, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from appointments import services
from appointments.models import Clinic, Patient
from duly.testing.manual_clock import ManualClock, standing_still

# Berlin's clocks go forward in the night to 28 March, Sydney's go back on 4 April.
NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with standing_still(NOW) as clock:
        yield clock


@pytest.fixture
def clinic(db: None) -> Clinic:
    return services.open_clinic("Clinic Mitte", "DE", "Europe/Berlin")


@pytest.fixture
def ann(db: None) -> Patient:
    return Patient.objects.create(
        name="Ann", email="ann@patients.example", timezone="Australia/Sydney"
    )
