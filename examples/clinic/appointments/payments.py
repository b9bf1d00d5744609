"""A stand-in for a payment provider; like the real ones, it takes an idempotency key."""

from __future__ import annotations

from appointments.models import Patient, Payment

DEPOSIT_CENTS = 20_00
NO_SHOW_CENTS = 35_00
RENT_CENTS = 1_500_00


class CardDeclined(Exception):
    """The bank said no, and will not say anything else in an hour."""


def charge(key: str, patient: Patient, cents: int, purpose: str) -> Payment:
    """Charge a patient's card, once for each key however often it is called."""
    if not patient.has_valid_card:
        raise CardDeclined(f"the card of {patient} is not valid")
    return invoice(key, cents, purpose)


def invoice(key: str, cents: int, purpose: str) -> Payment:
    """Book what is owed, once for each key."""
    payment, _ = Payment.objects.get_or_create(
        key=key, defaults={"cents": cents, "purpose": purpose}
    )
    return payment


def refund(payment_id: int) -> None:
    """Give a payment back; again changes nothing."""
    Payment.objects.filter(pk=payment_id).update(is_refunded=True)
