import pytest

from tasks.tracking.evaluation.names import NameBook

BOOK = NameBook(
    [
        "Basketball",
        "BlurCar4",
        "Human4-2",
        "Jogging-1",
        "Jogging-2",
        "Skating2-1",
        "Skating2-2",
        "Girl",
        "Girl2",
        "car1-1",
        "car11",
    ]
)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("BasketBall", "Basketball"),
        ("Blurcar4", "BlurCar4"),
        ("Jogging.1", "Jogging-1"),
        ("jogging_2", "Jogging-2"),
        ("Jogging1", "Jogging-1"),
        ("Skating2_1", "Skating2-1"),
        ("Human4", "Human4-2"),
        ("human4_2", "Human4-2"),
        ("Girl2", "Girl2"),
        ("car1_1", "car1-1"),
        ("car11", "car11"),
        ("Jogging", None),
        ("Skating2", None),
        ("Girl3", None),
        ("Girl-2", "Girl2"),
        ("Girl_3", None),
        ("Basketball_1", None),
        ("Skating2_1_1", None),
    ],
)
def test_spellings(spelling, name):
    assert BOOK.find(spelling) == name


def test_the_number_of_human4_may_be_missing_in_the_annotations_too():
    assert NameBook(["Human4"]).find("human4-2") == "Human4"


def test_no_other_number_is_dropped():
    """car1_1 of UAV123 is a part of car1 of UAV20L, not another spelling of it."""
    assert NameBook(["car1"]).find("car1_1") is None
    assert NameBook(["car1-2"]).find("car1") is None
