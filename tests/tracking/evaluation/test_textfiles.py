import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.textfiles import parse_rows, read_rows

numbers = st.one_of(
    st.floats(-1e9, 1e9).map(repr),
    st.just("nan"),
    st.decimals(-5000, 5000, places=4).map(str),
    st.integers(-(10**9), 10**9).map(str),
    st.decimals(0, 1, places=19).map(lambda d: f"{d:f}"),  # of more digits than are exact
    st.sampled_from(["nan", "NaN", "1.", ".5", "-.5", "+3", "1e3", "-2.5E-01", "007", "1.0000"]),
)
lines = st.lists(st.lists(numbers, min_size=1, max_size=6), max_size=8)


@given(st.lists(lines, min_size=1, max_size=4), st.sampled_from([",", "\t", " ", ", ", ";"]), st.booleans())
def test_every_number_is_the_one_that_float_reads(files, separator, windows):
    ending = "\r\n" if windows else "\n"
    texts = [ending.join(separator.join(line) for line in file).encode() for file in files]
    for rows, file in zip(parse_rows(texts, range(len(texts))), files, strict=True):
        assert rows.counts.tolist() == [len(line) for line in file]
        np.testing.assert_array_equal(rows.values, [float(word) for line in file for word in line])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1,2\n3,x\n", "two.txt, line 2: expected numbers, got 'x'"),
        (b"1,2\n\n3,4", "two.txt, line 2: the line is empty"),
        (b"1,2\n1,-1e300", "two.txt, line 2: expected numbers, got '-1e300'"),
        (b"99999999999999999999", "two.txt, line 1: expected numbers, got '99999999999999999999'"),
        (b"1.2.3", "two.txt, line 1: expected numbers, got '1.2.3'"),
        (b"1\n1-2", "two.txt, line 2: expected numbers, got '1-2'"),
        (b"5\n6\n-", "two.txt, line 3: expected numbers, got '-'"),
    ],
)
def test_what_is_no_number_is_named_with_file_and_line(text, message):
    with pytest.raises(LwdnaError) as caught:
        parse_rows([b"1\n2\n", text], ["one.txt", "two.txt"])
    assert str(caught.value) == message


def test_a_byte_order_mark_is_no_number():
    texts = [b"\xef\xbb\xbf1,2\r\n3,4\r\n", b"\xef\xbb\xbf5,6"]
    assert [rows.values.tolist() for rows in parse_rows(texts, "ab")] == [[1, 2, 3, 4], [5, 6]]


def test_a_table_names_the_line_with_another_number_of_columns():
    rows = parse_rows([b"1,2,3,4\n1,2,3\n"], ["boxes.txt"])[0]
    with pytest.raises(LwdnaError, match=r"boxes\.txt, line 2: expected 4 numbers, got 3"):
        rows.table(4, "boxes.txt")


def test_files_larger_than_one_reading(tmp_path):
    boxes = np.random.default_rng(0).uniform(0, 500, (20000, 4)).round(3)
    path = tmp_path / "long.txt"
    np.savetxt(path, boxes, fmt="%.3f", delimiter=",")
    np.testing.assert_array_equal(read_rows([path, path])[1].table(4, path), boxes)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LwdnaError, match=r"none\.txt: No such file"):
        read_rows([tmp_path / "none.txt"])
