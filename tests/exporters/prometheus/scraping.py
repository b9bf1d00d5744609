"""Reading what a scrape says."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from duly.exporters.metrics import Metrics


@dataclass
class Scrape:
    """One scrape, as Prometheus reads it."""

    values: dict[tuple[str, ...], float] = field(default_factory=dict)
    """By the sample's name and the values of its labels."""
    types: dict[str, str] = field(default_factory=dict)
    """By the family's name, such as `duly_due`."""
    labels: dict[str, set[str]] = field(default_factory=dict)
    """By the sample's name, the names of its labels."""

    @classmethod
    def of(cls, text: str) -> Scrape:
        """Read the text."""
        found = cls()
        for family in text_string_to_metric_families(text):
            found.types[family.name] = family.type
            for sample in family.samples:
                found.values[sample.name, *sample.labels.values()] = sample.value
                found.labels.setdefault(sample.name, set()).update(sample.labels)
        return found

    def __getitem__(self, key: str | tuple[str, ...]) -> float:
        return self.values[(key,) if isinstance(key, str) else key]

    @property
    def series(self) -> int:
        """How many time series Prometheus would keep of it."""
        return len(self.values)


def scrape(metrics: Metrics) -> Scrape:
    """Scrape a registry."""
    return Scrape.of(metrics.expose()[0].decode())
