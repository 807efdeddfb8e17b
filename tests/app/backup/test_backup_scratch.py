"""What of a scratch etcd needs no etcd: which leases are kept alive when, and what is said if there is none.

The rest is tried with real ones: tests/members/test_backup*.py.
"""

from pathlib import Path
from typing import cast

import pytest

from backup.scratch import Scratch, ScratchError, newest_revision
from etcd.member import Member


class FakeMember:
    def __init__(self) -> None:
        self.lasting = {1: 2, 2: 60}
        self.kept: list[list[int]] = []

    def leases(self) -> list[int]:
        return list(self.lasting)

    def keep_alive(self, leases: list[int]) -> dict[int, int]:
        self.kept.append(leases)
        return {lease: self.lasting[lease] for lease in leases}


def test_each_lease_is_kept_alive_when_a_quarter_of_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("backup.scratch.time.monotonic", lambda: now[0])
    member = FakeMember()
    scratch = object.__new__(Scratch)
    scratch.member = cast(Member, member)
    scratch._due = {}
    kept = []
    for _ in range(40):
        scratch._keep_leases_alive()
        kept.append(sorted({lease for leases in member.kept for lease in leases}))
        member.kept.clear()
        now[0] += 0.5
        if now[0] == 105.0:
            member.lasting[3] = 2
            del member.lasting[1]
    assert kept[0] == [1, 2]
    assert all(leases == [1] for leases in kept[1:10])
    assert kept[10] == [3]
    assert kept[30] == [2, 3]


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_the_newest_revision_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    program(tmp_path / "bin", "etcdutl", """echo '{"hash":1,"revision":42}'""")
    assert newest_revision(tmp_path / "file") == 42
    program(tmp_path / "bin", "etcdutl", """echo '{"hash":1,"revision":0}'""")
    assert newest_revision(tmp_path / "file") == 1
    program(tmp_path / "bin", "etcdutl", "echo invalid database >&2; exit 1")
    with pytest.raises(ScratchError, match="etcdutl refuses it: invalid database"):
        newest_revision(tmp_path / "file")


def test_an_etcd_that_ends_at_once_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    program(tmp_path / "bin", "etcdutl", "exit 0")
    program(tmp_path / "bin", "etcd", "echo no such file; exit 3")
    with pytest.raises(ScratchError, match="exit code 3: no such file"):
        Scratch(tmp_path / "scratch", tmp_path / "file")
    assert not (tmp_path / "scratch").exists()
