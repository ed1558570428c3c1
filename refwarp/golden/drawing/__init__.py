"""What the families' `cases.py` share: calls, random numbers, maps of one row or column, and grids."""
