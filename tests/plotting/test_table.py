import pytest

from api_gateway.plotting.table import Table

TABLE = Table(["limiter", "worst"], [("fixed_window", "20"), ("log", "10")])


def test_a_notebook_gets_markdown() -> None:
    assert TABLE._repr_markdown_().splitlines() == [
        "| limiter | worst |",
        "| :-- | --: |",
        "| fixed_window | 20 |",
        "| log | 10 |",
    ]


def test_a_terminal_gets_aligned_columns() -> None:
    assert repr(TABLE).splitlines() == ["limiter       worst", "fixed_window     20", "log              10"]


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs 2 cells"):
        Table(["a", "b"], [("1",)])
