"""The equations in exact arithmetic, against which everything else is tested.

Each file has the name of the operation that it specifies. The functions are plain loops over nested lists of numbers,
independent of the type of the numbers: they run on `fractions.Fraction` (exactly), on dual numbers (which gives
derivatives), on floats and on complex numbers. They import nothing of what they test.

Several samplers share `sampling` (the sums over the contributions of pixels) and `padding`. Number types and error
budgets are in `arithmetic`; `ledger` collects the entries for the equations, at the end of each file.
"""
