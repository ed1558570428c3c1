"""Golden cases of the family `penalties`, and their truth."""
