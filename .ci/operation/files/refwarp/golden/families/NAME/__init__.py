"""Golden cases of the family `NAME`, and their truth."""
