"""What a member does before it is etcd, as pure functions of its folder and of what the controller answers.

The launcher asks, does the steps that it is told in their order, and asks again, until a step makes it etcd. It may be
killed between any two steps: what it does next depends on its folder alone.
"""

from dataclasses import dataclass, replace

from member.marker import Marker, State

# Seconds without an answer after which a member that certainly may start does so by itself.
PATIENCE = 2.0


@dataclass(frozen=True)
class Folder:
    """What a member's folder holds.

    Attributes:
        marker: None: it is of a deployment of before, which had none.
        log: Whether etcd's write-ahead log is there. Without it there are no data.
    """

    marker: Marker | None
    log: bool


@dataclass(frozen=True)
class File:
    """A file that a new epoch can start from.

    Attributes:
        sha256: Of its bytes, by which it is asked for.
        made_for: The epoch that its last transaction names.
        made_of: What it was made of: "chain", "snapshot NAME" or "member N".
        epoch: Of its data.
        revision: Of its data.
    """

    sha256: str
    made_for: int
    made_of: str
    epoch: int
    revision: int


@dataclass(frozen=True)
class Report:
    """What a member says when it asks.

    Attributes:
        member: Its number: N of pod etcd-N.
        pod: Which pod of that name it is.
        folder: None: there is none.
        file: What it made of its folder for others to start from, and serves. Once etcd has run since, it is none.
        unusable: Why no such file could be made; "" if none was wanted or it is there.
        crashes: How often etcd ended by itself in the last ten minutes.
        full: Whether the volume has no space left.
    """

    member: int
    pod: str
    folder: Folder | None
    file: File | None = None
    unusable: str = ""
    crashes: int = 0
    full: bool = False

    @property
    def marker(self) -> Marker | None:
        """The folder's marker, if there are both."""
        return self.folder.marker if self.folder is not None else None


# What the controller answers.


@dataclass(frozen=True)
class Start:
    """Become etcd as this life.

    Attributes:
        epoch: Of the life.
        life: Which one.
        token: Of the epoch. This and what follows matter only to a life that has no data yet.
        members: With whom it starts.
        entry: etcd's ID of a life that joins a cluster; 0: it begins together with all others.
        has_log: Whether its folder was made with a log, of a file. Without that it would begin with nothing.
    """

    epoch: int
    life: int
    token: str
    members: tuple[int, ...]
    entry: int
    has_log: bool = False


@dataclass(frozen=True)
class New:
    """Make a folder for a life that begins with nothing, together with all others."""

    epoch: int
    life: int


@dataclass(frozen=True)
class Join:
    """Make a folder for a life that gets its data from the other members."""

    epoch: int
    life: int


@dataclass(frozen=True)
class Restore:
    """Make a folder of a file."""

    epoch: int
    life: int
    token: str
    members: tuple[int, ...]
    file: File
    bump: int


@dataclass(frozen=True)
class Hold:
    """Go on hold for a request. Epoch and life are for a folder that has no marker."""

    request: str
    epoch: int
    life: int


@dataclass(frozen=True)
class Save:
    """Make a file of a copy of the folder, for an epoch that is to come, serve it, and wait."""

    epoch: int
    reason: str


@dataclass(frozen=True)
class Wait:
    """Do nothing, and ask again."""

    reason: str


Answer = Start | New | Join | Restore | Hold | Save | Wait


# What the member does.


@dataclass(frozen=True)
class Ask:
    """Ask, or ask again."""


@dataclass(frozen=True)
class Make:
    """Make the folder anew, with this marker; the old one is moved aside when the new one is whole."""

    answer: New | Join | Restore
    marker: Marker


@dataclass(frozen=True)
class Confirm:
    """Ask the other members under which ID they list this one. If any that answers has another, do nothing more.

    etcd takes its ID from the list of whoever answers first. One that was cut off would still list the life before,
    and this one would start without data under the ID of one that had some.
    """

    entry: int
    members: tuple[int, ...]


@dataclass(frozen=True)
class Mark:
    """Write the marker, and have it on the disk before anything else is done."""

    marker: Marker


@dataclass(frozen=True)
class Become:
    """Become etcd. None: with the data that are there, whatever they are."""

    start: Start | None


Step = Ask | Make | Confirm | Mark | Become | Save | Wait


def alone(folder: Folder | None, silence: float) -> tuple[Step, ...]:
    """Return what a member does that has not been answered for `silence` seconds.

    Counting must not end because the controller is away. So who can do no harm starts: who has been started before, and
    still has its data. Nobody else does.
    """
    if silence >= PATIENCE and starts_by_itself(folder):
        return (Become(None),)
    return (Ask(),)


def starts_by_itself(folder: Folder | None) -> bool:
    """Return whether a member with this folder starts when nobody answers."""
    return folder is not None and folder.log and _may_start_by_itself(folder.marker)


def told(folder: Folder | None, answer: Answer, name: str) -> tuple[Step, ...]:
    """Return what a member does that got `answer`. A folder that is to be made gets the random name `name`."""
    match answer:
        case Start():
            return _start(folder, answer)
        case New() | Join() | Restore():
            return _make(folder, answer, name)
        case Hold():
            return _hold(folder, answer, name)
        case Save():
            return (answer, Ask())
        case Wait():
            return (answer, Ask())


def _may_start_by_itself(marker: Marker | None) -> bool:
    return marker is None or marker.state is State.STARTED


def _start(folder: Folder | None, answer: Start) -> tuple[Step, ...]:
    """Start the life that is there, if it is the one that is meant. The marker comes first: see State."""
    if folder is None:
        return (Wait("told to start, but there is no folder"), Ask())
    marker = folder.marker
    if marker is None:
        # The controller has taken over a deployment of before.
        marker = Marker(answer.epoch, answer.life, State.HELD, "")
    if (marker.epoch, marker.life) != (answer.epoch, answer.life):
        return (Wait(f"told to start as life {answer.life} of epoch {answer.epoch}, which is not here"), Ask())
    if not folder.log and (marker.state is not State.MADE or answer.has_log):
        return (Wait("told to start, but its log is gone"), Ask())
    if marker.state is State.STARTED:
        return (Become(answer),)
    steps: tuple[Step, ...] = (Mark(replace(marker, state=State.STARTED, request="")), Become(answer))
    return (Confirm(answer.entry, answer.members), *steps) if answer.entry and not folder.log else steps


def _make(folder: Folder | None, answer: New | Join | Restore, name: str) -> tuple[Step, ...]:
    """Make a folder, and ask whether it may start. An answer that came late makes none in the place of a later one.

    The same life may be made again, as long as it never started.
    """
    marker = folder.marker if folder is not None else None
    here, made = (marker.epoch, marker.life) if marker is not None else (0, 0), (answer.epoch, answer.life)
    if marker is not None and (here > made or (here == made and marker.state is not State.MADE)):
        return (Wait(f"told to make life {answer.life} of epoch {answer.epoch}, but a later one is here"), Ask())
    return (Make(answer, Marker(answer.epoch, answer.life, State.MADE, name)), Ask())


def _hold(folder: Folder | None, answer: Hold, name: str) -> tuple[Step, ...]:
    """Never start by itself from now on."""
    if folder is None:
        return (Ask(),)
    marker = folder.marker or Marker(answer.epoch, answer.life, State.STARTED, name)
    return (Mark(replace(marker, state=State.HELD, request=answer.request)), Ask())
