"""`selfcorrect data`: describe, measure, convert and shard motions."""
