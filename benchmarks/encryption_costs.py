"""What encryption adds for each event: python -m benchmarks.encryption_costs

Times sealing and opening alone, without a database, for payloads of several sizes, and what
asking costs an event whose service does not encrypt.
"""

from __future__ import annotations

import os
import timeit
from datetime import UTC, datetime

from cryptography.fernet import Fernet

from duly.encryption import Binding, keyring
from duly.ids import new_ids
from duly.policy.encryption import encryption_from

SIZES = (100, 1_000, 10_000, 65_000)
ROUNDS = 25


def main() -> None:
    os.environ["BENCH_KEY"] = Fernet.generate_key().decode()
    encryption = encryption_from([{"env": "BENCH_KEY"}])
    keyring.use({"crm": encryption})
    boxes, binding = keyring.boxes, Binding("event", new_ids(datetime.now(UTC), 1)[0])
    box = boxes["crm"]
    print(f"not encrypted: {_seconds(lambda: boxes.get('other'), 20_000) * 1e9:.0f} ns")
    for size in SIZES:
        text = '"' + "x" * (size - 2) + '"'
        envelope = box.seal(text, binding)
        sealing = _seconds(lambda text=text: box.seal(text, binding), 100)
        opening = _seconds(lambda envelope=envelope: keyring.open(envelope, binding), 100)
        print(
            f"{size:6} bytes: sealed in {sealing * 1e6:.0f} us, opened in {opening * 1e6:.0f} us, "
            f"stored as {len(envelope)} bytes"
        )


def _seconds(what: object, number: int) -> float:
    return min(timeit.repeat(what, number=number, repeat=ROUNDS)) / number  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
