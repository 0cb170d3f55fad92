"""Check motion files against rules, or against earlier versions of the files."""
