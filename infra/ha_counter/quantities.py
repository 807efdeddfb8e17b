"""Kubernetes quantities of CPU and memory, as numbers that can be compared.

The syntax is a part of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/. Left out is
what the API server would take but nobody means, like memory in thousandths of a byte ("512m").
"""

import re
from decimal import Decimal

_CPU = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>m?)", re.ASCII)
_BYTES = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>|[kMGTPE]|[KMGTPE]i)", re.ASCII)

_DECIMAL_UNITS = {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)}
_BINARY_UNITS = {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}
_BYTE_UNITS = {"": Decimal(1), **_DECIMAL_UNITS, **_BINARY_UNITS}


def cpu_cores(text: str) -> Decimal:
    """Read a quantity of CPU, in cores: "500m" is 0.5.

    Raises:
        ValueError: If it is none, or not more than 0.
    """
    match = _CPU.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no quantity of CPU")
    return _positive(text, Decimal(match["number"]) / (1000 if match["unit"] else 1))


def byte_count(text: str) -> Decimal:
    """Read a quantity of memory or storage, in bytes: "1Ki" is 1024.

    Raises:
        ValueError: If it is none, or not more than 0.
    """
    match = _BYTES.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no quantity of bytes")
    return _positive(text, Decimal(match["number"]) * _BYTE_UNITS[match["unit"]])


def _positive(text: str, value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError(f"{text!r} is not more than 0")
    return value
