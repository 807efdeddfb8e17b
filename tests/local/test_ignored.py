from local.ignored import keeping

LIVE = {"spec": {"replicas": 5, "template": "old"}}
WANTED = {"spec": {"replicas": 3, "template": "new"}}


def test_what_is_ignored_stays() -> None:
    assert keeping(WANTED, LIVE, ["spec.replicas"]) == {"spec": {"replicas": 5, "template": "new"}}
    assert WANTED["spec"]["replicas"] == 3


def test_what_is_not_there_stays_away() -> None:
    assert keeping(WANTED, {"spec": {}}, ["spec.replicas"]) == {"spec": {"template": "new"}}


def test_nothing_else_is_kept() -> None:
    assert keeping(WANTED, LIVE, []) == WANTED
