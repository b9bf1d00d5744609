"""One copy of the IANA time zone database, read at once and never changing after.

`zoneinfo` on its own reads the operating system's copy first and falls back on the
`tzdata` package, name by name, without saying which it took; and an upgrade under a running
process gives it some zones of one release and some of another.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from duly.civil.instants import LAST_YEAR, Instant, WallTime
from duly.civil.tzif import offset_changes
from duly.errors import ConfigurationError, UnknownZone

WHEEL = "wheel"
SYSTEM = "system"
SYSTEM_FOLDERS = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo")
UNKNOWN_RELEASE = "unknown"
# Not zones: copies, with leap seconds or without, and whatever this machine is set to.
_NOT_ZONES = ("right", "posix", "localtime", "posixrules", "Factory")
# Read beside the zones: what the release is, and which names are links to which.
_SOURCE, _VERSION, _PLACES = "tzdata.zi", "+VERSION", "zone.tab"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_AGO = -(10**8)
_END = datetime(LAST_YEAR + 1, 1, 2, tzinfo=UTC)
# The footer of a zone changes its offset twice a year at most, months apart.
_PROBE = timedelta(days=28)
_QUARTER = timedelta(minutes=15)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Transition:
    """An instant at which a zone's offset changes."""

    at: Instant
    offset_before: timedelta
    offset_after: timedelta

    @property
    def change(self) -> timedelta:
        """How far the clocks go forward; below zero when they go back."""
        return self.offset_after - self.offset_before

    @property
    def kind(self) -> Literal["gap", "overlap"]:
        """What it does to civil time."""
        return "gap" if self.change > timedelta(0) else "overlap"

    @property
    def wall_time_before(self) -> WallTime:
        """What the clocks would have read at the transition, had they not been changed."""
        return WallTime(self.at.replace(tzinfo=None) + self.offset_before)

    @property
    def wall_time_after(self) -> WallTime:
        """What the clocks read at the transition."""
        return WallTime(self.at.replace(tzinfo=None) + self.offset_after)


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """One time zone of one release of the data."""

    name: str
    release: str
    fingerprint: str
    """SHA-256 of its transitions from 1969 to 2100, in hex: of what it says, not of how
    its file is written."""
    info: ZoneInfo = field(repr=False)
    _transitions: tuple[Transition, ...] = field(repr=False)
    _times: tuple[datetime, ...] = field(repr=False)

    def offset_at(self, instant: datetime) -> timedelta:
        """Give the UTC offset in force at an instant."""
        offset = instant.astimezone(self.info).utcoffset()
        assert offset is not None
        return offset

    def wall_time_at(self, instant: datetime) -> WallTime:
        """Say what the clocks read at an instant."""
        return WallTime(instant.astimezone(self.info).replace(tzinfo=None, fold=0))

    def transition_after(self, instant: datetime) -> Transition | None:
        """Give the first change of the offset after an instant, up to the year 2100."""
        index = bisect_right(self._times, instant)
        return self._transitions[index] if index < len(self._transitions) else None

    def transition_until(self, instant: datetime) -> Transition | None:
        """Give the last change of the offset at or before an instant, from 1970 on."""
        index = bisect_right(self._times, instant)
        return self._transitions[index - 1] if index else None

    def transitions_around(self, instant: datetime) -> tuple[Transition | None, Transition | None]:
        """Give the last change at or before an instant, and the first after it."""
        index = bisect_right(self._times, instant)
        return (
            self._transitions[index - 1] if index else None,
            self._transitions[index] if index < len(self._transitions) else None,
        )

    def transitions_from(self, start: datetime) -> tuple[Transition, ...]:
        """Give the changes of the offset at or after an instant, up to the year 2100."""
        return self._transitions[bisect_left(self._times, start) :]

    def transitions(self, start: datetime, end: datetime) -> tuple[Transition, ...]:
        """Give the changes of the offset in (start, end]."""
        first, last = bisect_right(self._times, start), bisect_right(self._times, end)
        return self._transitions[first:last]


class ZoneDatabase:
    """One copy of the IANA time zone database, as it was when it was read.

    source: "wheel" (the tzdata package), "system", or the path of a folder of TZif files.

    Raises ConfigurationError when there is none at the source.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.folder = _folder(source)
        self.signature = signature(self.folder)
        self._data, self._texts = _read(self.folder)
        self.names = frozenset(self._data)
        self.release = _release(self._texts)
        self._zones: dict[str, Zone] = {}
        # Two names of one zone have the same bytes: 597 names, some 350 zones.
        self._of_data: dict[bytes, Zone] = {}
        self._lock = threading.Lock()
        if not self.names:
            raise ConfigurationError(
                f"no time zone data in {str(self.folder)!r}; use 'wheel', the tzdata package"
            )

    def zone(self, name: str) -> Zone:
        """Give a zone by its IANA name. Raises UnknownZone, with a near name if there is one."""
        try:
            return self._zones[name]
        except (KeyError, TypeError):
            pass
        if not isinstance(name, str) or name not in self.names:
            raise UnknownZone(self._unknown(name))
        with self._lock:
            if name not in self._zones:
                self._zones[name] = self._load(name)
            return self._zones[name]

    @cached_property
    def links(self) -> dict[str, str]:
        """Names that stand for others; empty where the copy does not say."""
        lines = (line.split() for line in self._texts.get(_SOURCE, "").splitlines())
        return {words[2]: words[1] for words in lines if words[:1] == ["L"]}

    def renamed(self, name: str) -> str | None:
        """Give what an old name is called now; None for one that is up to date.

        A link is an old name unless zone.tab lists it as the zone of some country.
        """
        target = self.links.get(name)
        if target is None or name in self._places or not self._places:
            return None
        return None if target.startswith("Etc/") else target

    @cached_property
    def _places(self) -> frozenset[str]:
        lines = (line.split("\t") for line in self._texts.get(_PLACES, "").splitlines())
        return frozenset(cells[2].strip() for cells in lines if len(cells) > 2)

    def _load(self, name: str) -> Zone:
        data = self._data[name]
        if (same := self._of_data.get(data)) is not None:
            info = ZoneInfo.from_file(BytesIO(data), key=name)
            return replace(same, name=name, info=info)
        try:
            info = ZoneInfo.from_file(BytesIO(data), key=name)
            transitions = _transitions(info, data)
        except (ValueError, struct.error) as error:
            raise ConfigurationError(
                f"time zone {name!r} in {str(self.folder)!r} cannot be read: {error}; "
                "use 'wheel', the tzdata package"
            ) from error
        zone = Zone(
            name,
            self.release,
            _fingerprint(info, transitions),
            info,
            transitions,
            tuple(transition.at for transition in transitions),
        )
        self._of_data[data] = zone
        return zone

    def _unknown(self, name: object) -> str:
        text = f"unknown time zone {name!r:.80} (tzdata {self.release})"
        if not isinstance(name, str) or len(name) > 64:
            return text
        near = self._near(name.lower().replace(" ", "_"))
        return f"{text}; did you mean {near!r}?" if near else text

    def _near(self, wanted: str) -> str | None:
        """Give the name that was probably meant: a city's, or one spelt almost so."""
        cities = {known.rpartition("/")[2].lower(): known for known in sorted(self.names)}
        if wanted in cities:
            return cities[wanted]
        folded = {known.lower(): known for known in self.names}
        near = [folded[name] for name in get_close_matches(wanted, folded, n=5, cutoff=0.7)]
        # Old spellings stay in the data for ever (Europe/Kiev), as links. So do names that
        # are right and merely share another's data (Europe/Amsterdam, Brussels'): follow a
        # link only to a name that is near too.
        target = self.links.get(near[0]) if near else None
        return target if target in near else next(iter(near), None)


def signature(folder: Path) -> str:
    """Tell one state of a folder from another, by its files' sizes and times."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        about = path.stat()
        digest.update(f"{path}|{about.st_size}|{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _folder(source: str) -> Path:
    if source == WHEEL:
        return Path(str(files("tzdata").joinpath("zoneinfo")))
    candidates = SYSTEM_FOLDERS if source == SYSTEM else (source,)
    for candidate in candidates:
        if Path(candidate).is_dir():
            return Path(candidate)
    raise ConfigurationError(
        f"no time zone data at {source!r} (looked in {', '.join(candidates)}); "
        "use 'wheel', the tzdata package"
    )


def _read(folder: Path) -> tuple[Mapping[str, bytes], Mapping[str, str]]:
    """Read every zone of a folder, and the texts beside them."""
    zones, texts = {}, {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] in _NOT_ZONES or not path.is_file():
            continue
        if name in (_SOURCE, _VERSION, _PLACES):
            texts[name] = path.read_text("utf-8")
            continue
        with path.open("rb") as file:
            if (start := file.read(4)) == b"TZif":
                zones[name] = start + file.read()
    return zones, texts


def _release(texts: Mapping[str, str]) -> str:
    """Find the release that a copy says it is."""
    first = texts.get(_SOURCE, "").partition("\n")[0].split()
    if first[:2] == ["#", "version"]:
        return first[2]
    return texts.get(_VERSION, UNKNOWN_RELEASE).strip()


def _fingerprint(info: ZoneInfo, transitions: tuple[Transition, ...]) -> str:
    """Hash what a zone says, whichever way its file says it."""
    lines = [f"{_offset(info, _EPOCH - timedelta(days=366))}"]
    lines += [f"{change.at.isoformat()} {change.offset_after}" for change in transitions]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _transitions(info: ZoneInfo, data: bytes) -> tuple[Transition, ...]:
    """Give every change of the offset from 1969 to 2100."""
    seconds, goes_on = offset_changes(data)
    explicit = [_EPOCH + timedelta(seconds=second) for second in seconds if second > _LONG_AGO]
    found = []
    for at in explicit:
        before, after = _offset(info, at - timedelta(seconds=1)), _offset(info, at)
        if before != after:
            found.append(Transition(Instant(at), before, after))
    probe = explicit[-1] if explicit else _EPOCH
    before = _offset(info, probe)
    while goes_on and probe < _END:
        following = probe + _PROBE
        after = _offset(info, following)
        if before != after:
            found.append(Transition(_change_between(info, probe, following), before, after))
        probe, before = following, after
    return tuple(found)


def _change_between(info: ZoneInfo, low: datetime, high: datetime) -> Instant:
    """Find, to the second, where the offset at `low` ends."""
    before = _offset(info, low)
    # By quarters of an hour first, for by the rules of today clocks change at nothing else.
    for step in (_QUARTER, _SECOND):
        while high - low > step:
            middle = low + step * ((high - low) // (2 * step))
            low, high = (middle, high) if _offset(info, middle) == before else (low, middle)
        if _offset(info, high - _SECOND) == before:
            break
    return Instant(high)


def _offset(info: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(info).utcoffset()
    assert offset is not None
    return offset
