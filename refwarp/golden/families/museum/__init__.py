"""Golden cases of the family `museum`, and their truth."""
