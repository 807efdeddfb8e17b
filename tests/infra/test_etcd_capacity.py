from dataclasses import replace

import pytest

from ha_counter.etcd_capacity import database_room, go_memory_limit, quota
from ha_counter.settings import EtcdSettings, ResourceSettings

GIB = 1024**3


def settings(memory: str, storage: str) -> EtcdSettings:
    return EtcdSettings(3, storage, None, ResourceSettings("100m", "1", "128Mi", memory))


def test_the_collector_keeps_to_nine_tenths_of_the_memory() -> None:
    assert go_memory_limit(settings("1000M", "1Gi")) == 900_000_000


@pytest.mark.parametrize(("storage", "expected"), [("1Gi", GIB // 4), ("20Gi", 5 * GIB), ("100Gi", 8 * GIB)])
def test_the_quota_is_a_quarter_of_the_volume_and_what_etcd_is_meant_for_at_most(storage: str, expected: int) -> None:
    assert quota(settings("1Gi", storage)) == expected


def test_what_is_less_decides_memory_or_volume() -> None:
    both = settings("1Gi", "1Gi")
    by_volume = database_room(both)
    assert by_volume == int(GIB / 4 * 0.6)
    assert database_room(replace(both, storage="100Gi")) == int(GIB * 0.16)
    assert database_room(replace(both, storage="512Mi")) == by_volume // 2
