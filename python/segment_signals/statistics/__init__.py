"""Statistics of the funnel as pure functions: arrays in, arrays out; no dbt, no DuckDB, no files."""
