"""Motions by the million: shards, parquet files of some hundred motions each, and the manifest that lists them.

`schema` says what a row is, `manifest` what a set of shards is, `writing` which motions share a shard and puts them
there.
"""

VERSION = 1
"""Of the schema; files of another one are refused."""
