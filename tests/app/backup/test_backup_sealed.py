import pytest

from backup.sealed import SealError, seal, unseal


def test_what_is_sealed_is_read_again() -> None:
    content = {"one": 1, "two": ["zwei", {"deep": None}]}
    assert unseal(seal(content)) == content


def test_no_byte_can_change_what_it_says() -> None:
    content = {"name": "one", "count": 1729}
    sealed = seal(content).encode()
    for position in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[position] ^= 1 << bit
            try:
                assert unseal(flipped.decode(errors="replace")) == content  # white space
            except SealError:
                continue


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "is list"),
        ("{}", "no checksum"),
        ('{"checksum": "00"}', "checksum is '00'"),
    ],
)
def test_what_is_none_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(SealError, match=why):
        unseal(text)
