"""Every kind of damage, at three strengths."""

from collections.abc import Mapping, Sequence

import numpy as np

from assay.gates.contract.faults import rows, values
from assay.gates.contract.faults.fault import Fault

_FEW, _SHARE = (0.01, 0.1, 0.5), (0.05, 0.2, 0.6)

FAULTS: Sequence[Fault] = (
    Fault("null burst in a category", _SHARE, "of the cells", values.put("category", None)),
    Fault("null burst in a number", _SHARE, "of the cells", values.put("number", np.nan)),
    Fault("lost values", (0.9, 0.995, 1), "of the cells", values.put("other_category", None)),
    Fault("missing labels", _FEW, "of the rows", values.put("label", None)),
    Fault("number became text", _FEW, "of the cells", values.as_text),
    Fault("category became code", (1, 3, 8), "categories", values.numbered),
    Fault("new category", (0.001, 0.02, 0.2), "of the cells", values.put("category", "Martian")),
    Fault("upper case", _FEW, "of the cells", values.changed("category", lambda c: c.str.upper())),
    Fault("trailing space", _FEW, "of the cells", values.changed("category", lambda c: c + " ")),
    Fault("lost category", (0.3, 0.7, 1), "of its rows", rows.without("category", rows.commonest)),
    Fault("swapped numbers", _SHARE, "of the rows", values.swapped("number", "other_number")),
    Fault("swapped categories", _SHARE, "of the rows", values.swapped("category", "other_category")),
    Fault("unit change", _SHARE, "of the cells", values.changed("number", lambda c: c * 12)),
    Fault("sign change", _SHARE, "of the cells", values.changed("number", lambda c: -c)),
    Fault("outliers", (0.001, 0.01, 0.1), "of the cells", values.changed("number", lambda c: c * 1000)),
    Fault("default value", _SHARE, "of the cells", values.put("number", 0)),
    Fault("shifted mean", (0.1, 0.5, 1), "standard deviations", values.shifted_mean),
    Fault("noise", (0.2, 1, 3), "standard deviations", values.noise),
    Fault("clipped", _SHARE, "of the cells", values.clipped),
    Fault("heaped", (5, 20, 50), "is the step", values.heaped),
    Fault("constant column", (0.5, 0.9, 1), "of the cells", values.put("other_category", "x")),
    Fault("copied column", (0.2, 0.8, 1), "of the rows", values.copied_column),
    Fault("shuffled column", _SHARE, "of the rows", values.shuffled),
    Fault("lost column", (1, 2, 4), "columns", rows.lost_column),
    Fault("renamed column", (1, 2, 4), "columns", rows.renamed),
    Fault("repeated rows", _SHARE, "of the rows", rows.repeated),
    Fault("repeated rows, new keys", _SHARE, "of the rows", rows.repeated_anew),
    Fault("test rows in training", _SHARE, "of the rows", rows.test_in_train),
    Fault("lost rows", (0.1, 0.4, 0.9), "of the rows", rows.lost_rows),
    Fault("lost group", (0.5, 0.9, 1), "of its rows",
        rows.without("group", lambda target, frame: frame[target.group].value_counts().index[1]),
    ),
    Fault("lost positives", (0.2, 0.5, 0.9), "of them", rows.without("label", lambda t, _: t.positive)
    ),
    Fault("flipped labels", _SHARE, "of the rows", rows.flipped),
    Fault("leaked label", (0.5, 0.95, 1), "of the rows", rows.leaked),
    Fault("leaked label in a number", (1, 3, 10), "signal to noise", rows.leaked_number),
    Fault("leaked label in missing values", (0.3, 0.97, 1), "of the rows", rows.leaked_missing),
    Fault("broken key", (0.0005, 0.01, 0.2), "of the rows", rows.broken_key),
    Fault("missing key", (0.0005, 0.01, 0.2), "of the rows", values.put("key", np.nan)),
    Fault("stale data", (2, 30, 365), "days", values.stale),
    Fault("future dates", (0.0001, 0.01, 0.2), "of the rows", values.future),
    Fault("wrong encoding", _FEW, "of the cells", values.changed("category", values.mojibake)),
    Fault("wrong width of characters", _FEW, "of the cells", values.changed("category", values.utf16)),
    Fault("e-mail addresses", (0.001, 0.01, 0.1), "of the cells",
        values.filled("category", lambda n: f"person{n}@example.org"),
    ),
    Fault("card numbers", (0.001, 0.01, 0.1), "of the cells", values.filled("category", values.card)),
    Fault("truncated file", (0.001, 0.1, 0.9), "of its bytes", spoil=rows.cut),
    Fault("broken quote", (1, 3, 21), "lines", spoil=rows.open_quote, suffix=".csv"),
)  # fmt: skip
"""Every kind, in the order in which they are told."""

BY_NAME: Mapping[str, Fault] = {fault.name: fault for fault in FAULTS}
