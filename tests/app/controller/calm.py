"""What comes of a world in which nothing goes wrong any more: it becomes whole, or says which command decides."""

from collections.abc import Callable
from functools import partial

from controller.record import Wish
from tests.app.controller.world import Controller, Faults, Pod, ViolationError, World

# Rounds after which a world that is not whole is taken for stuck.
_ROUNDS = 80
# Seconds that it is left alone when nothing happens any more: longer than any time limit there is.
_WAITS = (70.0, 400.0, 700.0, 4000.0)
_MOST_STEPS = 12


def calm_down(world: World) -> None:
    """Let all come to an end. Raises ViolationError if it is stuck, and no command that it names helps."""
    _end_faults(world)
    if _becomes_whole(world):
        return
    _check_explained(world)
    for command in _commands(world):
        command()
        if _becomes_whole(world):
            return
    raise ViolationError(f"stuck, and no command decides: {world.says}")


def round_of(world: World) -> None:
    """Let everybody do all that there is to do, once."""
    if not world.controllers:
        world.start_controller()
    world.reconcile()
    for pod in list(world.pods.values()):
        _work(world, pod)
    for controller in list(world.controllers):
        pass_of(world, controller)
    for pod in list(world.pods.values()):
        _work(world, pod)
    for leader in world.leaders(away=False):
        world.count(leader, away=False, everybody=True)
    if world.has_backup and world.backup_is_up:
        world.follow()
    world.now += 1.0


def pass_of(world: World, controller: Controller) -> None:
    """Let a controller decide once, and do it."""
    for _ in range(_MOST_STEPS):
        world.go_on(controller)
        world.now += 0.01
        if controller.stage == "read" and controller.record.controller == controller.name:
            return


def is_whole(world: World) -> bool:
    """Whether as many members vote as are wanted, all that was asked for is done, and it counts."""
    cluster = world.record.cluster
    if cluster is None or world.record.open_request() is not None:
        return False
    if cluster.size != world.wanted or world.replicas != world.wanted or cluster.change or cluster.scaling:
        return False
    found = [leader for leader in world.leaders(away=False) if leader.cluster == cluster.epoch.cluster]
    if not found:
        return False
    listed = found[0].history.listed
    if world.corrupt.intersection(one.entry for one in listed):
        return False
    present = {pod.data.entry for pod in world.pods.values() if pod.etcd and pod.data is not None}
    return (
        sorted(one.member for one in listed) == list(range(world.wanted))
        and all(not one.learner and one.entry in present for one in listed)
        and all(voter.folder for voter in cluster.voters)
        and (found[0].history.key is not None or found[0].history.counts)
    )


def _work(world: World, pod: Pod) -> None:
    """Let a launcher do what it is told, and ask."""
    if pod.dead or pod.away:
        return
    for _ in range(_MOST_STEPS):
        if pod.etcd:
            return
        if pod.steps:
            world.do(pod)
        elif pod.asked is None and world.controllers:
            world.ask(pod, world.controllers[0])
        else:
            return


def _end_faults(world: World) -> None:
    for action in list(world.late):
        world.act_late(action)
    world.faults = Faults()
    while len(world.controllers) > 1:
        world.end_controller(world.controllers[-1])
    for pod in world.pods.values():
        pod.away = pod.deaf = False
    world.backup_is_up = True


def _becomes_whole(world: World) -> bool:
    before, waits = None, iter(_WAITS)
    for _ in range(_ROUNDS):
        round_of(world)
        if is_whole(world):
            return True
        pods = tuple((pod.uid, pod.etcd, pod.reason) for pod in world.pods.values())
        now = (world.record, world.replicas, pods, world.corrupt.copy())
        if now == before:
            # Nothing happens any more, unless by waiting.
            seconds = next(waits, None)
            if seconds is None:
                return False
            world.now += seconds
        before = now
    return False


def _check_explained(world: World) -> None:
    """Whoever waits says what for, and the log which command decides."""
    for pod in world.pods.values():
        if not (pod.dead or pod.etcd or pod.reason or pod.crashes):
            raise ViolationError(f"stuck, and member {pod.member} does not say what it waits for: {world.says}")
    if "`make re" not in world.says and "`kubectl delete`" not in world.says:
        raise ViolationError(f"stuck, and the log names no command: {world.says}")


def _commands(world: World) -> list[Callable[[], None]]:
    """What a person would type: who knows that a node is gone says so; then that is restored which there is."""
    gone = [pod.member for pod in world.pods.values() if pod.dead]
    replacements = [partial(world.ask_for, Wish.REPLACE, member=member) for member in gone]
    deletions = [partial(world.delete_by_force, member) for member in gone]
    deletions += [partial(world.delete_claim, member) for member in world.volumes if member not in world.pods]
    newest, nothing = partial(world.ask_for, Wish.CONTINUE), partial(world.ask_for, Wish.EMPTY)
    return [*replacements, newest, *deletions, *replacements, newest, nothing]
