"""Numbers with their nouns and verbs, as every report and message writes them."""

from __future__ import annotations

import pytest

from mlpcli.printable import counted, verb


@pytest.mark.parametrize(
    ("count", "words", "shown"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2000, ("row",), "2,000 rows"),
        (1, ("class", "classes"), "1 class"),
        (3, ("class", "classes"), "3 classes"),
    ],
)
def test_a_number_has_its_noun(count: int, words: tuple[str, ...], shown: str) -> None:
    assert counted(count, *words) == shown


@pytest.mark.parametrize(("several", "one"), [("are", "is"), ("have", "has"), ("name", "names")])
def test_a_number_has_its_verb(several: str, one: str) -> None:
    assert verb(1, several) == one
    assert verb(0, several) == verb(2, several) == several
