"""Golden cases of the family `flow`, and their truth."""
