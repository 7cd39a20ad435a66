"""Writes what is beside it: the same rows as Arrow writes them, in every compression.

    pip install pyarrow==26.0.1 && python make.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

rows = pa.table({
    "text": pa.array(["A quiet delight.", "A dull story, badly told.", "Größe zählt: 3 × 4", None]),
    "label": pa.array([1, 0, None, 1], pa.int64()),
})
for compression in ("none", "snappy", "gzip", "brotli", "zstd"):
    pq.write_table(rows, Path(__file__).parent / f"{compression}.parquet", compression=compression, row_group_size=3)
