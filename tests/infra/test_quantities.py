from decimal import Decimal

import pytest

from ha_counter.quantities import byte_count, cpu_cores


@pytest.mark.parametrize(("text", "cores"), [("1", "1"), ("500m", "0.5"), ("0.25", "0.25"), ("1500m", "1.5")])
def test_cpu_is_read_in_cores(text: str, cores: str) -> None:
    assert cpu_cores(text) == Decimal(cores)


@pytest.mark.parametrize("text", ["", "0", "0m", "-1", "1 ", "one", "1Gi", "500M", ".5", "1e3", "٣"])
def test_anything_else_is_no_cpu(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        cpu_cores(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1024", 1024), ("1k", 1000), ("1Ki", 1024), ("512Mi", 512 * 2**20), ("1.5Gi", 1.5 * 2**30), ("2T", 2 * 10**12)],
)
def test_memory_is_read_in_bytes(text: str, count: float) -> None:
    assert byte_count(text) == Decimal(count)


@pytest.mark.parametrize("text", ["", "0", "0Gi", "-1Gi", "1 Gi", "512m", "1K", "1GB", "1gi", "much"])
def test_anything_else_is_no_memory(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        byte_count(text)
