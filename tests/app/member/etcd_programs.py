"""Stand-ins for etcd and etcdctl, for a member that goes on alone with a copy of its data."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from member import command, survivor

_ETCD = """#!/bin/sh
for argument; do case $argument in --data-dir=*) folder=${argument#--data-dir=};; esac; done
echo changed > "$folder/member/wal/0.wal"
%s
"""

# Says what the files of its folder say, once etcd is there.
_ETCDCTL = """#!/bin/sh
cd %s || exit 9
[ -e pid ] || { echo "nobody is there" >&2; exit 1; }
shift
echo "$@" >> asked
case "$1 $2" in
"endpoint status") cat status;;
"alarm list") cat alarms;;
"get epoch") cat epoch;;
"put epoch") echo "{\\"header\\": {\\"revision\\": $(head -n 1 put)}}"; sed -i '1{$!d}' put;;
"snapshot save") cp file "$3";;
esac
"""


@dataclass(frozen=True)
class EtcdPrograms:
    """What they say is in files of their folder, and what etcdctl was asked."""

    folder: Path

    def say(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def have_etcd(self, do: str) -> None:
        """Have etcd do this, once it has changed its data."""
        program = self.folder / "etcd"
        program.write_text(_ETCD % do)
        program.chmod(0o755)

    def have_etcd_run(self, before: str = "") -> None:
        """Have it run until it is told to end."""
        self.have_etcd(
            f"{before}\necho $$ > {self.folder}/pid.part && mv {self.folder}/pid.part {self.folder}/pid\nexec sleep 60"
        )

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text())


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> EtcdPrograms:
    """Have a member use them: an etcd that goes on well from revision 7 of epoch 1."""
    folder.mkdir()
    programs = EtcdPrograms(folder)
    programs.have_etcd_run()
    etcdctl = folder / "etcdctl"
    etcdctl.write_text(_ETCDCTL % folder)
    etcdctl.chmod(0o755)
    programs.say("status", '[{"Status": {"leader": 1, "header": {"revision": 7}}}]')
    programs.say("alarms", "")
    programs.say("epoch", "")
    programs.say("put", "8\n")
    programs.say("file", "bytes")
    monkeypatch.setattr(command, "ETCD", str(folder / "etcd"))
    monkeypatch.setattr(command, "ETCDCTL", str(etcdctl))
    monkeypatch.setattr(survivor, "_START_INTERVAL", 0.005)
    return programs
