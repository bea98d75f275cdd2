"""Versions of the Delta table are found by their names."""

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.transaction import CommitProperties

from assay.data.table import _TAG, _version_of


def test_a_version_is_found_though_another_was_written_since_the_table_was_read(tmp_path):
    def write(name):
        named = CommitProperties(custom_metadata={_TAG: name})
        write_deltalake(tmp_path, pa.table({"n": [1]}), mode="overwrite", commit_properties=named)

    write("first")
    read_before = DeltaTable(tmp_path)
    write("second")
    assert _version_of(read_before, "second") == 1
    assert _version_of(DeltaTable(tmp_path), "first") == 0
    assert _version_of(DeltaTable(tmp_path), "third") is None
