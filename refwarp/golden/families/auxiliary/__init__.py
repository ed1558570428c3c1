"""Golden cases of the family `auxiliary`, and their truth."""
