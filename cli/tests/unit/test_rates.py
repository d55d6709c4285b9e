import click
import pytest
from cinelog.commands.rates import Rate


@pytest.mark.parametrize(
    ("words", "rate"),
    [("32768", 32_768), ("500K", 512_000), ("2M", 2 << 20), ("1.5m", 1_572_864), ("1GiB/s", 1 << 30)],
)
def test_rates_are_read_as_other_programs_read_them(words: str, rate: int) -> None:
    assert Rate().convert(words, None, None) == rate


@pytest.mark.parametrize("words", ["", "fast", "-2M", "2MM", "1K", "0", "1e6", "nan"])
def test_what_is_no_rate_or_too_slow_is_wrong_use(words: str) -> None:
    with pytest.raises(click.UsageError):
        Rate().convert(words, None, None)
