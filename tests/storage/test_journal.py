"""The journal alone: what is read back is what was written, whatever became of the file's end."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.storage.journal import Journal, JournalLimits, Position
from isthmus.storage.protocols import StorageError

SMALL = JournalLimits(segment_bytes=100, total_bytes=1000, record_bytes=300)
RECORDS = st.lists(st.binary(min_size=1, max_size=150), min_size=1, max_size=12)


def read_all(journal: Journal, start: Position | None = None, max_bytes: int = 64) -> list[bytes]:
    records: list[bytes] = []
    position = start or journal.start
    while position < journal.end:
        some, following = journal.read(position, journal.end, max_bytes)
        assert following > position
        records += [bytes(record) for record in some]
        position = following
    assert position == journal.end
    return records


def abandon(journal: Journal) -> None:
    """As a dying process does: everything stays, only the lock goes."""
    journal.close((0, 0))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "journal"


@given(records=RECORDS, segment_bytes=st.integers(1, 400), max_bytes=st.integers(1, 400))
def test_what_is_appended_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], segment_bytes: int, max_bytes: int
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    limits = JournalLimits(segment_bytes=segment_bytes)
    journal = Journal(directory, limits)
    for record in records:
        journal.append(record)
    assert read_all(journal, max_bytes=max_bytes) == records
    abandon(journal)

    later = Journal(directory, limits)
    later.append(b"later")
    assert read_all(later, max_bytes=max_bytes) == [*records, b"later"]
    later.close(later.end)
    assert [path.name for path in directory.iterdir()] == ["lock"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, cut=st.floats(0, 1), tail=st.binary(max_size=40))
def test_any_cut_of_a_file_leaves_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], cut: float, tail: bytes
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = Journal(directory)
    ends = []
    for record in records:
        journal.append(record)
        ends.append(journal.end[1])
    abandon(journal)
    (segment,) = directory.glob("*.segment")
    kept = int(segment.stat().st_size * cut)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:kept] + tail)

    later = Journal(directory)
    read = read_all(later)
    complete = sum(end <= kept for end in ends)
    assert read[:complete] == records[:complete]
    assert read[complete:] in ([], records[complete : len(read)]), "only a tail that is the cut's own bytes goes on"
    later.close(later.end)


@given(records=RECORDS, where=st.floats(0, 0.999), flip=st.integers(1, 255))
def test_a_changed_byte_ends_the_segment(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], where: float, flip: int
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = Journal(directory)
    ends = []
    for record in records:
        journal.append(record)
        ends.append(journal.end[1])
    abandon(journal)
    (segment,) = directory.glob("*.segment")
    content = bytearray(segment.read_bytes())
    changed = int(len(content) * where)
    content[changed] ^= flip
    segment.write_bytes(content)

    later = Journal(directory)
    assert read_all(later) == records[: sum(end <= changed for end in ends)]
    later.close(later.end)


def test_a_damaged_segment_does_not_hide_the_next(fresh: Path) -> None:
    journal = Journal(fresh, SMALL)
    for number in range(8):
        journal.append(b"%d" % number * 30)
    abandon(journal)
    first, *_ = sorted(fresh.glob("*.segment"))
    first.write_bytes(first.read_bytes()[:50])

    later = Journal(fresh, SMALL)
    assert read_all(later) == [b"%d" % number * 30 for number in (0, 2, 3, 4, 5, 6, 7)]
    abandon(later)


@given(rounds=st.lists(st.lists(st.binary(min_size=1, max_size=60), max_size=6), min_size=2, max_size=6))
def test_a_segment_written_over_a_discarded_one_ends_where_it_ends(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[bytes]]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = Journal(directory, SMALL)
    appended = []
    for records in rounds:
        begin = journal.end
        for record in records:
            journal.append(record)
            appended.append((journal.end[0], record))
        assert read_all(journal, begin) == records
        journal.discard(journal.end)
    at_hand = journal.end[0]
    abandon(journal)

    later = Journal(directory, SMALL)
    assert read_all(later) == [record for number, record in appended if number == at_hand]
    later.close(later.end)


def test_discarded_segments_make_room(fresh: Path) -> None:
    journal = Journal(fresh, SMALL)
    for number in range(1000):
        journal.append(b"%03d" % number * 10)
        journal.discard(journal.end)
    assert journal.size_bytes <= SMALL.segment_bytes
    assert len(list(fresh.iterdir())) <= 3, "the segment at hand, the one to write over, the lock"
    journal.close(journal.end)


def test_a_full_journal_keeps_the_oldest(fresh: Path) -> None:
    journal = Journal(fresh, SMALL)
    taken = []
    for number in range(100):
        try:
            journal.append(b"%03d" % number * 10)
        except StorageError:
            continue
        taken.append(b"%03d" % number * 10)
    assert read_all(journal) == taken == [b"%03d" % number * 10 for number in range(len(taken))]
    assert SMALL.total_bytes - 50 <= journal.size_bytes <= SMALL.total_bytes

    journal.discard(journal.end)
    journal.append(b"room again")
    assert read_all(journal, (journal.end[0], 0))[-1] == b"room again"
    abandon(journal)


def test_a_record_that_is_too_large_is_refused(fresh: Path) -> None:
    journal = Journal(fresh, SMALL)
    with pytest.raises(StorageError, match="larger than 300"):
        journal.append(b"x" * 300)
    journal.append(b"x" * 292)
    assert read_all(journal) == [b"x" * 292]
    abandon(journal)


def test_a_write_that_fails_changes_nothing(fresh: Path) -> None:
    """The kernel's limit on a file's size: first a part is written, then EFBIG, as with a full disk."""
    journal = Journal(fresh)
    journal.append(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
        for _ in range(2):
            with pytest.raises(StorageError, match="cannot be written"):
                journal.append(b"does not fit")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    journal.append(b"after")
    assert read_all(journal) == [b"before", b"after"]
    abandon(journal)
    later = Journal(fresh)
    assert read_all(later) == [b"before", b"after"]
    later.close(later.end)


def test_a_segment_grows_on_where_no_new_one_can_be_opened(fresh: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(fresh, SMALL)
    records = [b"%d" % number * 20 for number in range(20)]
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        for record in records[:10]:
            journal.append(record)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert journal.end[0] == 1
    assert 1 <= len(caplog.records) <= 4, "once a segment's size"
    for record in records[10:]:
        journal.append(record)
    assert journal.end[0] > 2
    assert read_all(journal) == records
    abandon(journal)


def test_a_closed_journal_refuses(fresh: Path) -> None:
    journal = Journal(fresh)
    journal.close(journal.end)
    with pytest.raises(StorageError, match=os.strerror(errno.EBADF)):
        journal.append(b"late")


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be opened: Not a directory"):
        Journal(tmp_path / "file" / "journal")


def test_a_second_process_is_refused(fresh: Path) -> None:
    journal = Journal(fresh)
    other = "import sys, pathlib; from isthmus.storage.journal import Journal; Journal(pathlib.Path(sys.argv[1]))"
    ended = subprocess.run([sys.executable, "-c", other, str(fresh)], capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1
    assert "Another Isthmus server is using" in ended.stderr
    with pytest.raises(StorageError, match="Another Isthmus server"):
        Journal(fresh)
    journal.append(b"undisturbed")
    journal.close(journal.end)
    Journal(fresh).close((1, 0))
