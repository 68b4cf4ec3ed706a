import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.json_arrays import load_json

numbers = st.one_of(st.integers(-9999, 9999), st.floats(-1e6, 1e6), st.just(float("nan")))
boxes = st.lists(st.lists(numbers, min_size=1, max_size=8), min_size=1, max_size=5)
flags = st.lists(st.integers(0, 1), min_size=1, max_size=9)
sequences = st.dictionaries(
    st.text(min_size=1, max_size=5).filter(lambda name: name not in ("gt", "tag", "names")),
    st.fixed_dictionaries(
        {"gt": boxes, "tag": flags, "names": st.lists(st.text(max_size=6), max_size=4), "width": st.integers()}
    ),
    min_size=1,
    max_size=3,
)


@given(sequences, st.sampled_from([None, 1, 4]), st.booleans())
def test_the_same_as_json(content, indent, plain):
    text = json.dumps(content, indent=indent, ensure_ascii=plain).encode()
    read = load_json([text], ["gt", "tag"], ["a.json"], strings="names")[0]
    assert read.keys() == content.keys()
    for name, item in content.items():
        lines = item["gt"]
        np.testing.assert_array_equal(
            read[name]["gt"].values, np.concatenate([np.array(line, float) for line in lines])
        )
        assert read[name]["gt"].counts.tolist() == [len(line) for line in lines]
        np.testing.assert_array_equal(read[name]["tag"].values, item["tag"])
        assert read[name]["width"] == item["width"]
        assert read[name]["names"][:1] == item["names"][:1]


@pytest.mark.parametrize("text", [b'{"gt": [[1, 2], ["x"]]}', b'{"gt": [[1, 2]'])
def test_what_cannot_be_read_is_named(text):
    with pytest.raises(LwdnaError, match=r"b\.json"):
        load_json([b'{"gt": [[1]]}', text], ["gt"], ["a.json", "b.json"])


def test_null_is_nan():
    rows = load_json([b'{"gt": [[1, 2], [null, null]]}'], ["gt"], ["a.json"])[0]["gt"]
    np.testing.assert_array_equal(rows.table(2, "a.json"), [[1, 2], [np.nan, np.nan]])
