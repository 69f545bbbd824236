"""File formats of data sets, read within bounds: tar, CSV and Parquet."""
